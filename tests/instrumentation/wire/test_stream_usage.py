"""The usage of streams that did not ask for it: asked for by a setting, and out of the application's sight."""

from __future__ import annotations

import json
from typing import Any

import httpx
import httpx2
import openai
import pytest

from spanledger_collector.demo import StandInProvider

MESSAGES: Any = [{"role": "user", "content": "<<in=1200;out=80>>"}]
KEYS = {"api_key": "test", "max_retries": 0}


async def chunks_of(url: str, *, is_async: bool) -> list[Any]:
    """Give what the application sees of a streamed chat completion, without what differs from call to call."""
    if is_async:
        async with openai.AsyncOpenAI(base_url=url, **KEYS) as client:
            stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
            chunks = [chunk async for chunk in stream]
    else:
        with openai.OpenAI(base_url=url, **KEYS) as client:
            chunks = list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    return [chunk.model_dump(exclude={"id", "created"}) for chunk in chunks]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_the_setting_adds_usage_and_nothing_that_the_caller_sees(is_async, spans, monkeypatch):
    """With the setting a stream has its usage on the span; the application gets the chunks that it gets without."""
    with StandInProvider() as provider:
        without = await chunks_of(provider.openai_base_url, is_async=is_async)
        monkeypatch.setenv("SPANLEDGER_STREAM_USAGE", "1")
        assert await chunks_of(provider.openai_base_url, is_async=is_async) == without
        assert [call.usage_reported for call in provider.calls] == [False, True]
    usage = [span["attributes"].get("gen_ai.usage.input_tokens") for span in spans.snapshot()]
    assert usage == [None, 1200]


@pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("is_read_at_once", [False, True])
def test_only_the_usage_chunk_is_taken_out(module, size, is_read_at_once, provider, spans, recorded_case, monkeypatch):
    """However the bytes are cut, all others arrive as they were sent; the request differs by the question only."""
    monkeypatch.setenv("SPANLEDGER_STREAM_USAGE", "true")
    case = recorded_case("chat_stream")
    request = {field: value for field, value in case["request"].items() if field != "stream_options"}
    provider.will_answer_case(case)
    pieces = provider.answers[0].pieces
    expected = b"".join(piece for piece in pieces if b'"choices": []' not in piece)
    whole = b"".join(pieces)
    assert len(expected) < len(whole)
    provider.answers[0].pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    with module.Client() as client:
        if is_read_at_once:
            assert client.post(provider.url + case["path"], json=request).content == expected
        else:
            with client.stream("POST", provider.url + case["path"], json=request) as response:
                assert b"".join(response.iter_raw()) == expected
    (sent,) = provider.requests
    assert json.loads(sent["body"]) == {**request, "stream_options": {"include_usage": True}}
    assert spans.snapshot()[0]["attributes"]["gen_ai.usage.output_tokens"] == 210


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("chat_plain", {}),
        ("chat_stream", {}),
        ("chat_stream", {"stream_options": {"include_usage": False}}),
        ("messages_stream", {}),
    ],
    ids=["no stream", "asked", "declined", "another format"],
)
def test_other_requests_are_left_alone(name, options, provider, spans, recorded_case, monkeypatch):
    """Who does not stream, has asked or has declined gets what it asked for, and sends what it sent."""
    monkeypatch.setenv("SPANLEDGER_STREAM_USAGE", "1")
    case = recorded_case(name)
    provider.will_answer_case(case)
    request = {**case["request"], **options}
    answer = httpx2.post(provider.url + case["path"], json=request).content
    assert answer == b"".join(provider.answers[0].pieces)
    assert json.loads(provider.requests[0]["body"]) == request
