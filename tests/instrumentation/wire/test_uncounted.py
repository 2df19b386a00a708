"""Streams whose usage nobody asked for: their tokens are estimated from the size of the text, and marked."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from spanledger import clock
from spanledger.wire.uncounted import spoken_bytes
from spanledger_collector.testing import MemoryCollector

TOOLS = [{"type": "function", "function": {"name": "add"}}]
TOOLS_BYTES = len(b'[{"function":{"name":"add"},"type":"function"}]')


def chunk(**delta: Any) -> dict[str, Any]:
    """Give an event with a piece of an answer."""
    return {"id": "chatcmpl-9", "model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


EVENTS = [chunk(role="assistant", content=""), *[chunk(content="four")] * 9, chunk(content='"日"\n')]
ANSWER_BYTES = len(("four" * 9 + '"日"\n').encode())


def ask(url: str, content: Any, **options: Any) -> None:
    """Make a streamed call, and read it to its end."""
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], "stream": True, **options}
    with httpx2.Client() as client, client.stream("POST", f"{url}/v1/chat/completions", json=request) as response:
        response.read()


def rows(spans: Any) -> list[Any]:
    """Give what the collector makes of the spans."""
    collector = MemoryCollector()
    collector.send(encode_spans(spans.finished()))
    return collector.calls()


def sizes(spans: Any) -> tuple[int | None, int | None]:
    """Give what the only span says of text that nobody counted."""
    (span,) = spans.snapshot()
    said = span["attributes"]
    return said.get("spanledger.uncounted.input_bytes"), said.get("spanledger.uncounted.output_bytes")


@pytest.mark.parametrize("captured", ["false", "true"])
def test_a_stream_without_usage_has_an_estimated_row(captured, provider, spans, monkeypatch):
    """The ledger has tokens and a cost for it, both marked as estimates; the span itself claims no tokens."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", captured)
    clock.now_ns = time.time_ns  # until the fixture's end: nothing had a price in 1970
    provider.will_stream([*EVENTS, "[DONE]"])
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="any", max_retries=0) as client:
        list(
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "x " * 200}], stream=True
            )
        )
    (span,) = spans.snapshot()
    assert not [name for name in span["attributes"] if name.startswith("gen_ai.usage")]
    (call,) = rows(spans)
    assert (call.usage_status, call.price_status) == ("estimated", "estimated_tokens")
    assert call.cost_usd > 0
    if captured == "false":
        assert (call.input_tokens, call.output_tokens) == (400 // 4, -(-ANSWER_BYTES // 4))


def test_what_is_text_is_measured(provider, spans):
    """Text, tool calls, their results and tool definitions count, an image does not; escapes count as what they say."""
    provider.will_stream([*EVENTS, chunk(reasoning_content="why"), "[DONE]"])
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9999}}
    messages = [
        {"role": "system", "content": "Größe"},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "3"}]},
    ]
    ask(provider.url, "", messages=messages, tools=TOOLS)
    assert sizes(spans) == (7 + 5 + len('add{"a":1}') + 1 + TOOLS_BYTES, ANSWER_BYTES + len("why"))


@pytest.mark.parametrize("breaks", [False, True], ids=["ends early", "breaks"])
def test_a_stream_that_stops_is_estimated_as_far_as_it_came(breaks, provider, spans):
    """What was answered before a stream stopped was billed; a failed call with no answer is not estimated."""
    provider.will_stream(EVENTS[:4], breaks=breaks)
    provider.will_answer({"error": {"code": "rate_limit_exceeded"}}, 429)
    if breaks:
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(provider.url, "x" * 40)
    else:
        ask(provider.url, "x" * 40)
    ask(provider.url, "another")
    stopped, failed = rows(spans)
    assert (stopped.usage_status, stopped.input_tokens, stopped.output_tokens) == ("estimated", 10, 3)
    assert (failed.usage_status, failed.input_tokens, failed.output_tokens) == ("missing", None, None)


@pytest.mark.parametrize("asked", [False, True], ids=["not asked", "asked"])
def test_what_is_counted_is_not_estimated(asked, provider, spans):
    """A provider that says the usage, asked or not, is believed, and no sizes stand beside it."""
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
    provider.will_stream([*EVENTS, usage, "[DONE]"])
    ask(provider.url, "x", **({"stream_options": {"include_usage": True}} if asked else {}))
    assert sizes(spans) == (None, None)
    (call,) = rows(spans)
    assert (call.usage_status, call.input_tokens, call.output_tokens) == ("reported", 7, 5)


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(
    ("delta", "size"),
    [
        ({"content": "plain"}, 5),
        ({"content": 'a "b"\n'}, 6),
        ({"content": "日本"}, 6),
        ({"content": "", "reasoning_content": "why"}, 3),
        ({"content": None, "tool_calls": [{"function": {"name": "add", "arguments": '{"a":1}'}}]}, 7),
        ({"content": None}, 0),
        ({}, 0),
    ],
)
def test_text_is_measured_however_it_is_written(delta, size, separators, ensure_ascii):
    """An event adds the UTF-8 of its text, with any spacing and escaping of its JSON."""
    event = json.dumps(chunk(**delta), separators=separators, ensure_ascii=ensure_ascii).encode()
    assert spoken_bytes(event) == size
