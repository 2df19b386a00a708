"""The wire formats that are read, and how a request finds its own; one is imported when a request may be of it."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import NamedTuple

from spanledger.wire.format import Json, WireFormat


class Place(NamedTuple):
    """Where a format is, and how the paths of its requests end."""

    module: str
    class_name: str
    path_ends: tuple[str, ...]


PLACES = (
    Place("chat_completions", "ChatCompletions", ("/chat/completions",)),
    Place("responses", "Responses", ("/responses",)),
    Place("embeddings", "Embeddings", ("/embeddings",)),
    Place("messages", "AnthropicMessages", ("/messages",)),
    Place("generate_content", "GenerateContent", (":generateContent", ":streamGenerateContent")),
    Place("converse", "Converse", ("/converse", "/converse-stream")),
    Place("hosted_messages", "BedrockMessages", ("/invoke", "/invoke-with-response-stream")),
    Place("hosted_messages", "VertexMessages", (":rawPredict", ":streamRawPredict")),
)

PATH_ENDS = tuple(end for place in PLACES for end in place.path_ends)


def format_of(path: str, request: Json) -> WireFormat | None:
    """Give the format whose path and shape a request has, or None: then it is nobody's business."""
    for wire_format in _formats_at(path):
        if wire_format.recognises(request):
            return wire_format
    return None


@lru_cache(maxsize=256)
def _formats_at(path: str) -> tuple[WireFormat, ...]:
    return tuple(format_at(place) for place in PLACES if path.endswith(place.path_ends))


@cache
def format_at(place: Place) -> WireFormat:
    """Give the one object of a format."""
    made: WireFormat = getattr(import_module(f"spanledger.wire.{place.module}"), place.class_name)()
    return made
