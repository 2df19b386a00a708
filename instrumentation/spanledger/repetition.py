"""How much of a call's input is read again: sizes and hashes of what is sent, never what is sent.

The input is taken in the order in which providers cache it: tools, system prompt, messages. Each piece has a hash that
stands for it and all before it; those of the calls that were answered are remembered, so that the next call of the
task can be told how far it only repeats one of them. Nothing is compared byte by byte, and nothing is kept but hashes.
"""

from __future__ import annotations

import marshal
from itertools import accumulate, islice, takewhile
from typing import Any, NamedTuple

from spanledger.attributes import (
    INPUT_BYTES,
    INPUT_REPEATED_BYTES,
    INPUT_REPEATED_TOKENS,
    INPUT_SYSTEM_HASH,
    INPUT_TOOLS_BYTES,
    INPUT_TOOLS_COUNT,
    INPUT_TOOLS_HASH,
)
from spanledger.canonical import short_hash
from spanledger.guard import guarded
from spanledger.wire.format import Attributes, Json, known

TOOLS = ("tools", "toolConfig", "functions")
TOOLS_WITHIN = ("tools", "functionDeclarations", "function_declarations")
"""Where an entry that is several tools has them: Bedrock's, Gemini's, and OpenAI's name spaces."""
SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
MESSAGES = ("messages", "input", "contents")
SYSTEM_ROLES = ("system", "developer")

BYTES_A_TOKEN = 4

MOST_BEGINNINGS = 16_384
"""How many beginnings of inputs are remembered; those not repeated for the longest are forgotten first."""

MOST_FINGERPRINTS = 256

MARSHAL_VERSION = 2
"""The last whose output depends on the value alone; later ones say which objects are the same."""

_beginnings: dict[int, None] = {}
_fingerprints: dict[int, str] = {}


class Input(NamedTuple):
    """What was found of one call's input."""

    attributes: Attributes
    beginnings: tuple[int, ...]
    """A hash of each of the input's beginnings, the shortest first."""


@guarded
def measure(request: Json, task: str | int) -> Input:
    """Measure the input of a request of ``task``."""
    tools = _canonical(_values(request, TOOLS))
    system = _canonical(_values(request, SYSTEM))
    items = _messages(request)
    messages = _canonical(items)
    pieces = [*tools, *system, *messages]
    beginnings = tuple(accumulate(pieces, _extended, initial=hash(task)))[1:]
    repeated_pieces = sum(1 for _ in takewhile(_beginnings.__contains__, beginnings))
    repeated_bytes = sum(map(len, pieces[:repeated_pieces]))
    system += messages[: _leading_system_messages(items)]
    attributes = {
        INPUT_BYTES: sum(map(len, pieces)),
        INPUT_REPEATED_BYTES: repeated_bytes,
        INPUT_REPEATED_TOKENS: repeated_bytes // BYTES_A_TOKEN,
        INPUT_SYSTEM_HASH: _fingerprint(b"".join(system)),
        INPUT_TOOLS_HASH: _fingerprint(b"".join(tools)),
        INPUT_TOOLS_BYTES: sum(map(len, tools)),
        INPUT_TOOLS_COUNT: sum(map(_count_tools, _values(request, TOOLS))),
    }
    return Input(known(attributes), beginnings)


@guarded
def remember(measured: Input) -> None:
    """Note that a call with this input was answered."""
    for beginning in measured.beginnings:
        _beginnings.pop(beginning, None)
        _beginnings[beginning] = None
    for beginning in list(islice(_beginnings, max(0, len(_beginnings) - MOST_BEGINNINGS))):
        _beginnings.pop(beginning, None)


def forget_all() -> None:
    """Begin anew, as if no call had been seen."""
    _beginnings.clear()


def _values(request: Json, fields: tuple[str, ...]) -> list[Any]:
    return [value for field in fields if (value := request.get(field))]


def _count_tools(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_count_tools, value))
    within = [value[field] for field in TOOLS_WITHIN if field in value] if isinstance(value, dict) else []
    return sum(map(_count_tools, within)) if within else 1


def _messages(request: Json) -> list[Any]:
    """Give the conversation so far, message by message; a mere text is one."""
    return [item for value in _values(request, MESSAGES) for item in (value if isinstance(value, list) else [value])]


def _leading_system_messages(messages: list[Any]) -> int:
    """Some formats have the system prompt as the first messages."""
    for number, item in enumerate(messages):
        if not isinstance(item, dict) or item.get("role") not in SYSTEM_ROLES:
            return number
    return len(messages)


def _canonical(values: list[Any]) -> list[bytes]:
    return [marshal.dumps(value, MARSHAL_VERSION) for value in values]


def _extended(beginning: int, piece: bytes) -> int:
    return hash((beginning, piece))


def _fingerprint(data: bytes) -> str | None:
    """Give the hash of what hardly ever changes, made once: this one is the same in every process."""
    if not data:
        return None
    key = hash(data)
    if key not in _fingerprints:
        if len(_fingerprints) >= MOST_FINGERPRINTS:
            _fingerprints.clear()
        _fingerprints[key] = short_hash(data)
    return _fingerprints[key]
