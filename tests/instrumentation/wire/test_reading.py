"""Streams are read in one go where that can be, and it makes no difference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.wire import reading as reading_module
from spanledger.wire.chat_completions import ChatCompletions
from spanledger.wire.format import WireFormat
from spanledger.wire.messages import AnthropicMessages
from spanledger.wire.reading import EventReading, reading_of
from spanledger.wire.responses import Responses


def delta(**fields: Any) -> dict[str, Any]:
    """Give a piece of a chat completion."""
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


CALL = {"index": 0, "id": "call_1", "function": {"name": "add", "arguments": '{"a"'}}
CHAT = (
    delta(content="four"),
    delta(content='"usage": {'),
    delta(reasoning_content="five5"),
    delta(tool_calls=[CALL]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
    {**delta(), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**delta(content="x"), "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 40}},
    {"error": {"code": "overloaded"}},
    "[DONE]",
)
MESSAGES = (
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5}}},
    {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "add", "input": {}}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "four"}},
    {"type": "content_block_stop"},
    {"type": "ping"},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "error", "error": {"type": "overloaded_error"}},
)
RESPONSES = (
    {"type": "response.created", "response": {"id": "r", "model": "m", "usage": None}},
    {"type": "response.output_text.delta", "delta": "four"},
    {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1}}},
    {"type": "error", "code": "overloaded"},
)
STREAMS: tuple[tuple[WireFormat, tuple[Any, ...]], ...] = (
    (ChatCompletions(), CHAT),
    (AnthropicMessages(), MESSAGES),
    (Responses(), RESPONSES),
)


def reader(wire_format: WireFormat) -> EventReading:
    """Give what reads a stream of that format."""
    options = {"streamed": True, "with_content": False, "is_uncounted": True}
    made = reading_of(wire_format, "text/event-stream", "", **options)
    assert isinstance(made, EventReading)
    return made


def read(wire_format: WireFormat, chunks: list[bytes]) -> tuple[Any, ...]:
    """Give all that a span would say of a stream, and whether it was seen to end."""
    reading = reader(wire_format)
    for chunk in chunks:
        reading.feed(chunk)
        if reading.is_complete:
            break
    response = reading.response()
    parts = [part for message in wire_format.output_messages(response) for part in message["parts"]]
    calls = [part for part in parts if part["type"] == "tool_call"]
    said = (wire_format.response_attributes(response), response.get("error"), calls, reading.spoken_bytes())
    return (*said, reading.is_complete, reading.first_content_ns is not None)


def sent(event: Any, line_end: bytes) -> bytes:
    """Give an event as it is sent."""
    data = event if isinstance(event, str) else json.dumps(event)
    return b"data: " + data.encode() + line_end * 2


@settings(deadline=None)
@given(st.data())
@pytest.mark.parametrize(("wire_format", "events"), STREAMS, ids=["chat", "messages", "responses"])
@pytest.mark.parametrize("held_bytes", [100, reading_module.MOST_HELD_BYTES], ids=["little", "much"])
def test_holding_makes_no_difference(held_bytes, wire_format, events, data):
    """Any events, several of them in a chunk or not, in either kind of line, are read as they are byte by byte."""
    ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
    pieces = data.draw(st.lists(st.builds(sent, st.sampled_from(events), ends), max_size=12))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(pieces), 1)))) | {len(pieces)})
    chunks = [b"".join(pieces[begin:end]) for begin, end in zip([0, *cuts], cuts, strict=False)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "MOST_HELD_BYTES", held_bytes)
        in_one_go = read(wire_format, chunks)
    one_by_one = read(wire_format, [bytes([byte]) for chunk in chunks for byte in chunk])
    # Text behind the last event of a stream counts only where it came in the same chunk.
    assert in_one_go[:3] == one_by_one[:3]
    assert in_one_go[4:] == one_by_one[4:]
    assert in_one_go[3] == one_by_one[3] or one_by_one[4]


def test_what_is_held_is_bounded():
    """Of a long stream no more is kept than the limit, and the usage at its end is read."""
    reading = reader(ChatCompletions())
    piece = sent(delta(content="x" * 200), b"\n")
    held = []
    for _ in range(2000):
        reading.feed(piece)
        held.append(sum(map(len, reading._held)))
    reading.feed(sent(CHAT[7], b"\n"))
    assert max(held) <= reading_module.MOST_HELD_BYTES
    assert reading.spoken_bytes() >= 2000 * 200 - reading_module.MOST_HELD_BYTES
    assert reading.response()["usage"]["completion_tokens"] == 40
    assert reading.spoken_bytes() == 2000 * 200
