"""The stand-in against the real OpenAI SDK: what the SDK read is what the provider's ledger says."""

import struct
from base64 import b64decode
from dataclasses import replace
from typing import Any

import openai
import pytest
from openai import OpenAI

from spanledger_collector.demo.provider import ProviderCall, StandInProvider

CHAT = ProviderCall(
    provider="openai",
    api="chat_completions",
    request_model="gpt-4.1",
    response_model="gpt-4.1-2025-04-14",
    response_id="",
    stream=False,
    http_status=200,
    billable=True,
    input_tokens=1200,
    cache_read_tokens=512,
    cache_write_tokens=0,
    cache_write_1h_tokens=0,
    output_tokens=80,
    reasoning_tokens=0,
    usage_reported=True,
)
RESPONSE = replace(
    CHAT, api="responses", request_model="o4-mini", response_model="o4-mini-2025-04-16", reasoning_tokens=30
)
REFUSED = {
    "response_model": "",
    "billable": False,
    "input_tokens": 0,
    "cache_read_tokens": 0,
    "output_tokens": 0,
    "usage_reported": False,
}
COUNTS = "in=1200;out=80;cached=512"
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def say(text: str) -> Any:
    """One user message."""
    return [{"role": "user", "content": text}]


def test_chat(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A plain chat completion reports the directive's tokens, and the ledger row says the same."""
    completion = openai_client.chat.completions.create(model="gpt-4.1", messages=say(f"Hello <<{COUNTS}>>"))
    usage = completion.usage
    assert usage and usage.prompt_tokens_details
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1200, 512)
    assert (usage.completion_tokens, usage.total_tokens) == (80, 1280)
    content = completion.choices[0].message.content
    assert content and len(content) == 80 * 4
    assert completion.choices[0].finish_reason == "stop"
    assert provider.calls == [replace(CHAT, response_id=completion.id)]


def test_chat_stream_with_usage(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A stream that asks for usage gets it in a last chunk without choices, after the whole text."""
    stream = openai_client.chat.completions.create(
        model="gpt-4.1",
        messages=say(f"<<{COUNTS}>>"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 80
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert len(text) == 80 * 4
    assert provider.calls == [replace(CHAT, response_id=chunks[0].id, stream=True)]


def test_chat_stream_without_usage(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A stream that does not ask for usage gets none: it is billed, and the row says that nobody was told."""
    stream = openai_client.chat.completions.create(model="gpt-4.1", messages=say(f"<<{COUNTS}>>"), stream=True)
    chunks = list(stream)
    assert not any(chunk.usage for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert provider.calls == [replace(CHAT, response_id=chunks[0].id, stream=True, usage_reported=False)]


def test_chat_tool_round(provider: StandInProvider, openai_client: OpenAI) -> None:
    """The model calls the tool once, plain or streamed, and answers in words when it has the result."""
    messages = say('<<in=900;out=40;tool=get_weather:{"city":"Paris; <<>>"}>>')
    tools: Any = [{"type": "function", "function": WEATHER}]
    first = openai_client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools)
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris; <<>>"}')

    with openai_client.chat.completions.stream(model="gpt-4.1", messages=messages, tools=tools) as stream:
        streamed = stream.get_final_completion()
    (streamed_call,) = streamed.choices[0].message.tool_calls or ()
    assert streamed_call.function.arguments == '{"city":"Paris; <<>>"}'

    result = {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}
    messages += [first.choices[0].message.to_dict(), result]
    last = openai_client.chat.completions.create(model="gpt-4.1", messages=messages, tools=tools)
    assert last.choices[0].message.content and not last.choices[0].message.tool_calls
    row = replace(CHAT, input_tokens=900, cache_read_tokens=0, output_tokens=40)
    assert provider.calls == [
        replace(row, response_id=first.id),
        replace(row, response_id=streamed.id, stream=True, usage_reported=False),
        replace(row, response_id=last.id),
    ]


def test_prefix_is_cached(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A repeated beginning is read from the cache in steps of 128 tokens, without being asked for."""
    beginning = "0123456789abcdef" * 320  # 5120 bytes, 1280 tokens
    for ending in ("a", "b"):
        openai_client.chat.completions.create(model="gpt-4.1", messages=say(beginning + ending * 400))
    openai_client.chat.completions.create(model="gpt-4.1-mini", messages=say(beginning + "a" * 400))
    counted = [(call.request_model, call.input_tokens, call.cache_read_tokens) for call in provider.calls]
    assert counted == [("gpt-4.1", 1380, 0), ("gpt-4.1", 1380, 1280), ("gpt-4.1-mini", 1380, 0)]


def test_response(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A plain response of a reasoning model reports reasoning inside the output total."""
    response = openai_client.responses.create(model="o4-mini", input=f"<<{COUNTS};reason=30>>")
    usage = response.usage
    assert usage
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens) == (1200, 512)
    assert (usage.output_tokens, usage.output_tokens_details.reasoning_tokens) == (80, 30)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert len(response.output_text) == 50 * 4
    assert provider.calls == [replace(RESPONSE, response_id=response.id)]


def test_response_stream(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A streamed response builds the same response that response.completed carries, with the usage."""
    request = f'<<{COUNTS};reason=30;tool=get_weather:{{"city":"Paris"}}>>'
    tools: Any = [{"type": "function", "strict": False, **WEATHER}]
    with openai_client.responses.stream(model="o4-mini", input=request, tools=tools) as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert "response.function_call_arguments.delta" in kinds
    reasoning, call = response.output
    assert reasoning.type == "reasoning"
    assert call.type == "function_call" and call.arguments == '{"city":"Paris"}'
    assert response.usage and response.usage.output_tokens_details.reasoning_tokens == 30
    assert provider.calls == [replace(RESPONSE, response_id=response.id, stream=True)]


def test_response_text_stream(provider: StandInProvider, openai_client: OpenAI) -> None:
    """The text deltas of a streamed response add up to its text."""
    with openai_client.responses.stream(model="gpt-4.1", input=f"<<{COUNTS}>>") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert len(deltas) > 1
    assert "".join(deltas) == response.output_text
    assert [call.response_id for call in provider.calls] == [response.id]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(provider: StandInProvider, openai_client: OpenAI, encoding: Any) -> None:
    """An embedding has input tokens only, no id, and the same vector in both encodings."""
    embedded = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["a" * 400, "b" * 40], dimensions=64, encoding_format=encoding
    )
    vectors: Any = [item.embedding for item in embedded.data]
    if encoding == "base64":
        vectors = [list(struct.unpack("<64f", b64decode(vector))) for vector in vectors]
    assert [len(vector) for vector in vectors] == [64, 64]
    assert vectors[0] != vectors[1]
    assert embedded.usage.prompt_tokens == 110
    model = "text-embedding-3-small"
    row = replace(CHAT, api="embeddings", request_model=model, response_model=model, input_tokens=110)
    assert provider.calls == [replace(row, cache_read_tokens=0, output_tokens=0)]


@pytest.mark.parametrize("status", [429, 500])
def test_sdk_retries_scripted_failures(provider: StandInProvider, openai_client: OpenAI, status: int) -> None:
    """The SDK gets through two scripted failures; each attempt is a row, only the last is billed."""
    completion = openai_client.chat.completions.create(model="gpt-4.1", messages=say(f"<<{COUNTS};fail={status}*2>>"))
    failed = replace(CHAT, http_status=status, **REFUSED)
    assert provider.calls == [failed, failed, replace(CHAT, response_id=completion.id)]


def test_lasting_failure(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A failure without a count lasts: the SDK gives up after its retries with the vendor's error."""
    with pytest.raises(openai.RateLimitError) as raised:
        openai_client.chat.completions.create(model="gpt-4.1", messages=say("<<fail=429>>"))
    assert raised.value.code == "rate_limit_exceeded"
    assert provider.calls == [replace(CHAT, http_status=429, **REFUSED)] * 3


def test_broken_stream(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A stream cut after three events raises in the client; the provider bills it and reported no usage."""
    stream = openai_client.chat.completions.create(
        model="gpt-4.1",
        messages=say(f"<<{COUNTS};break=3>>"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = []
    with pytest.raises(openai.APIConnectionError):
        for chunk in stream:
            chunks.append(chunk)
    assert len(chunks) == 3
    row = replace(CHAT, response_id=chunks[0].id, stream=True, usage_reported=False)
    assert provider.calls == [row]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<<in=10;oops=3>>", "at its character 8"),
        ("<<in=10", "at its character 7"),
        ("<<tool=get_weather:[1]>>", "JSON object"),
        ("<<in=10;cached=11>>", "contradict"),
    ],
)
def test_bad_directive(provider: StandInProvider, openai_client: OpenAI, text: str, reason: str) -> None:
    """A directive that breaks its grammar or contradicts itself is refused, and says where or why."""
    with pytest.raises(openai.BadRequestError, match=reason):
        openai_client.chat.completions.create(model="gpt-4.1", messages=say(text))
    assert provider.calls == [replace(CHAT, http_status=400, **REFUSED)]


def test_unknown_path(provider: StandInProvider, openai_client: OpenAI) -> None:
    """A path that the stand-in does not speak is a 404 that lists those it does."""
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        openai_client.completions.create(model="gpt-4.1", prompt="Hello")
    assert [(call.api, call.http_status, call.billable) for call in provider.calls] == [("", 404, False)]
