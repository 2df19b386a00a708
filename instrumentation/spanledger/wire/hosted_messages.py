"""Anthropic Messages behind two clouds: the same bodies, in the clouds' own paths and frames."""

from __future__ import annotations

import base64
import binascii

from spanledger.wire.converse import Bedrock
from spanledger.wire.format import Json, Pattern, mapping, parse_object, text
from spanledger.wire.generate_content import MODEL
from spanledger.wire.messages import AnthropicMessages


class BedrockMessages(Bedrock, AnthropicMessages):
    """``POST /model/{model}/invoke`` of Amazon Bedrock, where the model is one of Anthropic's."""

    # An event is inside a frame's base64.
    telling = Pattern(rb'"(chunk|error)":')

    def recognises(self, request: Json) -> bool:
        """InvokeModel takes any model's own JSON; Anthropic's says its version."""
        return "anthropic_version" in request and super().recognises(request)

    def fold(self, response: Json, event: Json) -> bool:
        """Each frame has one event of the stream."""
        if "error" in event:
            response["error"] = event["error"]
            return False
        return AnthropicMessages.fold(self, response, _chunk(event))


class VertexMessages(AnthropicMessages):
    """``POST .../publishers/anthropic/models/{model}:rawPredict`` of Vertex AI."""

    provider = "gcp.vertex_ai"

    def recognises(self, request: Json) -> bool:
        """A raw prediction takes any model's own JSON; Anthropic's says its version."""
        return "anthropic_version" in request and super().recognises(request)

    def request_model(self, path: str, request: Json) -> str | None:
        """The path names it."""
        found = MODEL.search(path)
        return found[1] if found else None


def _chunk(event: Json) -> Json:
    packed = text(mapping(event.get("chunk")).get("bytes"))
    try:
        return parse_object(base64.b64decode(packed)) if packed else {}
    except binascii.Error:
        return {}
