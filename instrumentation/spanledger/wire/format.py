"""The seam of the wire formats: what each must say of a request, of an answer and of a stream's events."""

from __future__ import annotations

import json
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from opentelemetry.util.types import AttributeValue

from spanledger.wire.splitting import ArraySplitter, EventSplitter, Splitter

Json = dict[str, Any]
"""A decoded JSON object. Nothing about its shape is certain: a provider, or what poses as one, made it."""

Attributes = dict[str, AttributeValue]
Messages = list[dict[str, Any]]
"""Messages in the shape of the GenAI conventions: ``{"role": ..., "parts": [{"type": ..., ...}]}``."""

DEPLOYMENT = re.compile(r"^/openai/deployments/([^/]+)/")

NOTHING = re.compile(rb"(?!)")
BEGUN = re.compile(rb'\s*:\s*["{[]')
NULLS = (b":null", b": null")


class Telling(Protocol):
    """Finds the events of a stream that must be parsed."""

    def search(self, event: bytes, /) -> object:
        """Give something true for an event that tells something."""

    def places(self, events: bytes, /) -> Iterable[int]:
        """Give where in the bytes of many events something is told, in order."""


class Pattern:
    """Finds events by a pattern."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = re.compile(pattern)
        self.search = self._pattern.search

    def places(self, events: bytes) -> Iterable[int]:
        """Give where it is found."""
        return [found.start() for found in self._pattern.finditer(events)]


class FieldSet:
    """Finds events where one of these fields is a text, an object or a list; a pattern would stop at every quote."""

    def __init__(self, *fields: bytes) -> None:
        self._ends = tuple(field + b'"' for field in fields)

    def search(self, event: bytes) -> bool:
        """Say whether there is one."""
        return any(True for end in self._ends for _place in _begun(event, end))

    def places(self, events: bytes) -> Iterable[int]:
        """Give where they are."""
        return sorted(place for end in self._ends for place in _begun(events, end))


def _begun(data: bytes, end_of_name: bytes) -> Iterator[int]:
    found = data.find(end_of_name)
    while found >= 0:
        after = found + len(end_of_name)
        if not data.startswith(NULLS, after) and BEGUN.match(data, after):
            yield found
        found = data.find(end_of_name, after)


class WireFormat(ABC):
    """One provider API, as its JSON passes over HTTP.

    A stream is folded, event by event, into the answer that the same call would have had without streaming;
    so an answer is read in one way only.
    """

    operation: str
    """``gen_ai.operation.name``."""

    provider: str
    """``gen_ai.provider.name`` where the host does not tell."""

    streams_arrays: bool = False
    """Whether a JSON answer may be a stream, too: of the objects of one array."""

    is_asked_for_usage: bool = False
    """Whether a stream reports its usage only when ``stream_options.include_usage`` asks for it."""

    telling: Telling = FieldSet()
    """Finds, unparsed, the events of a stream that say more than another piece of content. The last event of
    all is read in any case."""

    last: re.Pattern[bytes] = NOTHING
    """Finds, among the telling events, the last of a stream: some SDKs then neither read on nor close it."""

    end_mark: bytes | None = None
    """An event that is no JSON and stands behind the last."""

    ending: bytes | None = None
    """What the bytes of the last event have in any case, and those of few others."""

    @abstractmethod
    def recognises(self, request: Json) -> bool:
        """Whether a request of that path has the shape, too."""

    @abstractmethod
    def response_attributes(self, response: Json) -> Attributes:
        """Id, model, finish reasons and usage of an answer, as far as they are there."""

    def request_model(self, path: str, request: Json) -> str | None:
        """Give the model that a request asks for; some have it in their path, as Azure has its deployments."""
        deployment = DEPLOYMENT.search(path)
        return text(request.get("model")) or (deployment[1] if deployment else None)

    def is_streamed(self, path: str, request: Json) -> bool:
        """Whether a request asks for a stream."""
        return request.get("stream") is True

    def splitter(self, content_type: str, *, streamed: bool) -> Splitter | None:
        """Give what cuts an answer of that type into events, or None for one that is a whole."""
        if "text/event-stream" in content_type:
            return EventSplitter()
        return ArraySplitter() if streamed and self.streams_arrays and "json" in content_type else None

    def head(self, headers: Mapping[str, str]) -> Json:
        """Give what the head of an answer says, as fields of the answer."""
        return {}

    def fold(self, response: Json, event: Json) -> bool:
        """Fold one event of a stream into the answer so far; say whether the event bears content."""
        return False

    def input_messages(self, request: Json) -> Messages:
        """Give what was asked; read only when content is captured."""
        return []

    def system_instructions(self, request: Json) -> Messages:
        """Give the parts of a system prompt beside the messages; only when content is captured."""
        return []

    def may_ask_for_tools(self, response: Json) -> bool:
        """Whether an answer may have tool calls, told with less work than by reading it."""
        return True

    def output_messages(self, response: Json) -> Messages:
        """Give what was answered; read only when content is captured."""
        return []


def parse_object(text: bytes | str) -> Json:
    """Decode a JSON object; anything else, broken or not, is an empty one."""
    # Most SDKs have loaded it: it takes a fraction of the time, and is stricter.
    core = sys.modules.get("pydantic_core")
    if core is not None:
        try:
            return mapping(core.from_json(text))
        except (ValueError, AttributeError):
            pass
    try:
        return mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def mapping(value: object) -> Json:
    """Give ``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Json]:
    """Give the objects in ``value``, if that is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def own_mapping(parent: Json, field: str) -> Json:
    """Give the object in a field of an answer that is being folded; begun anew where it is none."""
    if not isinstance(parent.get(field), dict):
        parent[field] = {}
    made: Json = parent[field]
    return made


def own_mappings(parent: Json, field: str) -> list[Json]:
    """Give the list of objects in a field of an answer that is being folded; begun anew where it is none."""
    if not isinstance(parent.get(field), list):
        parent[field] = []
    made: list[Json] = parent[field]
    return made


def text(value: object) -> str | None:
    """Give ``value`` if it is a string that says something."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """Give ``value`` if it is a number of tokens."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def amount(value: object) -> float | None:
    """Give ``value`` if it is a sum of money."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def known(attributes: Mapping[str, AttributeValue | None]) -> Attributes:
    """Drop what is unknown: None, and lists of nothing."""
    return {name: value for name, value in attributes.items() if value is not None and value != []}


def last_known(into: Json, update: Json) -> None:
    """Merge ``update`` into ``into`` field by field, to any depth: the last value that is not null wins."""
    for name, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            last_known(into[name], value)
        elif value is not None:
            into[name] = value
