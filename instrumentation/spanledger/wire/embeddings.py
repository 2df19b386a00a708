"""OpenAI Embeddings, and every server that speaks it."""

from __future__ import annotations

from spanledger import attributes as name
from spanledger.wire.format import Attributes, Json, WireFormat, count, known, mapping, text


class Embeddings(WireFormat):
    """``POST .../embeddings``; there is input only, no stream, and no response id."""

    operation = "embeddings"
    provider = "openai"

    def recognises(self, request: Json) -> bool:
        """There is something to embed."""
        return "input" in request

    def response_attributes(self, response: Json) -> Attributes:
        """Model and input tokens."""
        usage = mapping(response.get("usage"))
        return known(
            {
                name.RESPONSE_ID: text(response.get("id")),
                name.RESPONSE_MODEL: text(response.get("model")),
                name.INPUT_TOKENS: count(usage.get("prompt_tokens")),
            }
        )
