"""The seam of the wire formats: what each must say of a request, of an answer and of a stream's events."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

Json = dict[str, Any]
"""A decoded JSON object. Nothing about its shape is certain: a provider, or what poses as one, made it."""

Attributes = dict[str, AttributeValue]
Messages = list[dict[str, Any]]
"""Messages in the shape of the GenAI conventions: ``{"role": ..., "parts": [{"type": ..., ...}]}``."""

NOTHING = re.compile(rb"(?!)")


class WireFormat(ABC):
    """One provider API, as its JSON passes over HTTP.

    A stream is folded, event by event, into the answer that the same call would have had without streaming;
    so an answer is read in one way only.
    """

    path_end: str
    """How the path of its requests ends."""

    operation: str
    """``gen_ai.operation.name``."""

    provider: str
    """``gen_ai.provider.name`` where the host does not tell."""

    telling: re.Pattern[bytes] = NOTHING
    """Finds, unparsed, the events of a stream that say more than another piece of content."""

    @abstractmethod
    def recognises(self, request: Json) -> bool:
        """Whether a request of that path has the shape, too."""

    @abstractmethod
    def response_attributes(self, response: Json) -> Attributes:
        """Id, model, finish reasons and usage of an answer, as far as they are there."""

    def fold(self, response: Json, event: Json) -> bool:
        """Fold one event of a stream into the answer so far; say whether the event bears content."""
        return False

    def input_messages(self, request: Json) -> Messages:
        """Give what was asked; read only when content is captured."""
        return []

    def system_instructions(self, request: Json) -> Messages:
        """Give the parts of a system prompt beside the messages; only when content is captured."""
        return []

    def output_messages(self, response: Json) -> Messages:
        """Give what was answered; read only when content is captured."""
        return []


def parse_object(text: bytes | str) -> Json:
    """Decode a JSON object; anything else, broken or not, is an empty one."""
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
