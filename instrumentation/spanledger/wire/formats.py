"""The wire formats that are read, and how a request finds its own."""

from __future__ import annotations

from spanledger.wire.chat_completions import ChatCompletions
from spanledger.wire.converse import Converse
from spanledger.wire.embeddings import Embeddings
from spanledger.wire.format import Json, WireFormat
from spanledger.wire.generate_content import GenerateContent
from spanledger.wire.hosted_messages import BedrockMessages, VertexMessages
from spanledger.wire.messages import AnthropicMessages
from spanledger.wire.responses import Responses

FORMATS: tuple[WireFormat, ...] = (
    ChatCompletions(),
    Responses(),
    Embeddings(),
    AnthropicMessages(),
    GenerateContent(),
    Converse(),
    BedrockMessages(),
    VertexMessages(),
)

PATH_ENDS = tuple(end for wire_format in FORMATS for end in wire_format.path_ends)


def format_of(path: str, request: Json) -> WireFormat | None:
    """Give the format whose path and shape a request has, or None: then it is nobody's business."""
    for wire_format in FORMATS:
        if path.endswith(wire_format.path_ends) and wire_format.recognises(request):
            return wire_format
    return None
