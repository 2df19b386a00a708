"""What passes between the stand-in's wire formats, brain and meter: a request read, a reply to give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from spanledger_collector.errors import BadInputError

if TYPE_CHECKING:
    from spanledger_collector.demo.identifiers import Identifiers
    from spanledger_collector.demo.usage import Usage

Json = dict[str, Any]
Role = Literal["tools", "system", "user", "assistant", "tool"]
"""Who a stretch of the prompt comes from; ``tools`` are definitions, ``tool`` is a tool's result."""
CacheTtl = Literal["5m", "1h"]

JSON_TYPES: dict[type, str] = {str: "string", list: "array"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the prompt; ``cache_ttl`` is a cache breakpoint at its end (``cache_control``)."""

    role: Role
    text: str
    cache_ttl: CacheTtl | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request of any API; ``segments`` is the prompt in the order in which the model reads it."""

    provider: str
    api: str
    model: str
    stream: bool
    segments: tuple[Segment, ...]
    body: Json

    @property
    def system(self) -> str:
        """The system prompt, or an empty string."""
        return "".join(segment.text for segment in self.segments if segment.role == "system")

    @property
    def last_user_text(self) -> str:
        """The last thing that a user said, or an empty string."""
        return next((segment.text for segment in reversed(self.segments) if segment.role == "user"), "")

    @property
    def tool_results(self) -> int:
        """How many tool results came after the last thing that a user said."""
        count = 0
        for segment in reversed(self.segments):
            if segment.role == "user":
                break
            count += segment.role == "tool"
        return count


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants run."""

    name: str
    arguments: Json

    @property
    def arguments_json(self) -> str:
        """The arguments as both vendors send them: one JSON text."""
        return compact_json(self.arguments)


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error for the first ``times`` attempts of this exact request, or for all of them."""

    status: int
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers.

    ``tokens`` overrides counts of ``Usage`` by field name. ``break_after_events`` cuts the connection of a
    streamed reply after so many server-sent events.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict)
    failure: Failure | None = None
    break_after_events: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply in a vendor's wire format: one frame with the body, or one frame a server-sent event.

    ``usage_frame`` is the index of the frame with the final usage; ``None`` where the client asked for none.
    """

    response_id: str
    frames: tuple[bytes, ...]
    usage_frame: int | None


@dataclass(frozen=True, slots=True)
class Api:
    """A wire format: how a body is read, how a reply is written, how an error looks, what a stream's type is."""

    provider: str
    name: str
    read: Callable[[Json], Request]
    answer: Callable[[Request, Reply, Usage, Identifiers], Answer]
    error: Callable[[int, str], Json]
    stream_type: str = "text/event-stream; charset=utf-8"


def compact_json(value: Any) -> str:
    """JSON without spaces, as the vendors write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def event_frame(data: Json, name: str | None = None) -> bytes:
    """A server-sent event; OpenAI's Chat Completions gives its events no name."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {compact_json(data)}\n\n".encode()


def pieces(text: str) -> list[str]:
    """``text`` cut into the few deltas of a stream (at most eight), none of them empty."""
    step = max(16, -(-len(text) // 8))
    return [text[start : start + step] for start in range(0, len(text), step)]


def required(body: Json, name: str, of_type: type[T]) -> T:
    """A field that a request must have.

    Raises:
        BadInputError: the field is missing or of another type.
    """
    value = body.get(name)
    if not isinstance(value, of_type):
        raise BadInputError(f"the request needs {name!r} as a JSON {JSON_TYPES[of_type]}")
    return value


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts that are text or stand for themselves as JSON."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    return compact_json(content)


SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "o4-mini": "o4-mini-2025-04-16",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
"""The dated model that answers to an undated name; every other name answers to itself."""


def response_model(request: Request) -> str:
    """The model name that the response carries."""
    return SNAPSHOTS.get(request.model, request.model)
