"""How much of a call's input is read again: sizes and hashes of what is sent, never what is sent.

The input is taken in the order in which providers cache it: tools, system prompt, messages. Each piece has a hash that
stands for it and all before it; those of the calls that were answered are remembered, so that the next call of the
task can be told how far it only repeats one of them. Nothing is compared byte by byte, and nothing is kept but hashes.
"""

from __future__ import annotations

from itertools import islice
from marshal import dumps
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
from spanledger.wire.format import Attributes, Json

TOOLS, SYSTEM, MESSAGES = range(3)
PLACES = {
    **dict.fromkeys(("tools", "toolConfig", "functions"), TOOLS),
    **dict.fromkeys(("system", "instructions", "systemInstruction", "system_instruction"), SYSTEM),
    **dict.fromkeys(("messages", "input", "contents"), MESSAGES),
}
"""The fields of requests, of any format, that are input, and what they are; in the order in which it is cached."""
TOOLS_WITHIN = ("tools", "functionDeclarations", "function_declarations")
"""Where an entry that is several tools has them: Bedrock's, Gemini's, and OpenAI's name spaces."""
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
    beginnings: list[int]
    """A hash of each of the input's beginnings, the shortest first."""


@guarded
def measure(request: Json, task: str | int) -> Input:
    """Measure the input of a request of ``task``."""
    found: tuple[list[Any], ...] = ([], [], [])
    for field, value in request.items():
        place = PLACES.get(field)
        if place is not None and value:
            # A conversation is taken message by message; a mere text is one.
            if place == MESSAGES and isinstance(value, list):
                found[place].extend(value)
            else:
                found[place].append(value)
    tools, system, messages = found
    pieces = [dumps(value, MARSHAL_VERSION) for value in (*tools, *system, *messages)]
    beginning, beginnings = hash(task), []
    all_bytes = repeated_bytes = 0
    repeats = True
    for piece in pieces:
        beginning = hash((beginning, piece))
        beginnings.append(beginning)
        size_bytes = len(piece)
        all_bytes += size_bytes
        repeats = repeats and beginning in _beginnings
        if repeats:
            repeated_bytes += size_bytes
    attributes: Attributes = {
        INPUT_BYTES: all_bytes,
        INPUT_REPEATED_BYTES: repeated_bytes,
        INPUT_REPEATED_TOKENS: repeated_bytes // BYTES_A_TOKEN,
    }
    system_pieces = len(system) + _leading_system_messages(messages)
    if system_pieces:
        attributes[INPUT_SYSTEM_HASH] = _fingerprint(pieces[len(tools) : len(tools) + system_pieces])
    if tools:
        tool_pieces = pieces[: len(tools)]
        attributes[INPUT_TOOLS_HASH] = _fingerprint(tool_pieces)
        attributes[INPUT_TOOLS_BYTES] = sum(map(len, tool_pieces))
        attributes[INPUT_TOOLS_COUNT] = sum(map(_count_tools, tools))
    return Input(attributes, beginnings)


@guarded
def remember(measured: Input) -> None:
    """Note that a call with this input was answered."""
    for beginning in measured.beginnings:
        _beginnings.pop(beginning, None)
        _beginnings[beginning] = None
    if len(_beginnings) > MOST_BEGINNINGS:
        for beginning in list(islice(_beginnings, len(_beginnings) - MOST_BEGINNINGS)):
            _beginnings.pop(beginning, None)


def forget_all() -> None:
    """Begin anew, as if no call had been seen."""
    _beginnings.clear()


def _count_tools(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_count_tools, value))
    within = [value[field] for field in TOOLS_WITHIN if field in value] if isinstance(value, dict) else []
    return sum(map(_count_tools, within)) if within else 1


def _leading_system_messages(messages: list[Any]) -> int:
    """Some formats have the system prompt as the first messages."""
    for number, item in enumerate(messages):
        if not isinstance(item, dict) or item.get("role") not in SYSTEM_ROLES:
            return number
    return len(messages)


def _fingerprint(pieces: list[bytes]) -> str:
    """Give the hash of what hardly ever changes, made once: this one is the same in every process."""
    data = b"".join(pieces)
    key = hash(data)
    if key not in _fingerprints:
        if len(_fingerprints) >= MOST_FINGERPRINTS:
            _fingerprints.clear()
        _fingerprints[key] = short_hash(data)
    return _fingerprints[key]
