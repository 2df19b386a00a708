"""The stand-in against the real Anthropic SDK: what the SDK read is what the provider's ledger says."""

from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from spanledger_collector.demo.provider import ProviderCall, StandInProvider

MESSAGE = ProviderCall(
    provider="anthropic",
    api="messages",
    request_model="claude-haiku-4-5",
    response_model="claude-haiku-4-5-20251001",
    response_id="",
    stream=False,
    http_status=200,
    billable=True,
    input_tokens=5000,
    cache_read_tokens=3000,
    cache_write_tokens=1000,
    cache_write_1h_tokens=400,
    output_tokens=300,
    reasoning_tokens=40,
    usage_reported=True,
)
REFUSED = {
    "response_model": "",
    "billable": False,
    "input_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cache_write_1h_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "usage_reported": False,
}
COUNTS = "in=5000;cached=3000;write=1000;write_1h=400;out=300;reason=40"
TOOLS: Any = [{"name": "get_weather", "input_schema": {"type": "object"}}]


def ask(text: str) -> dict[str, Any]:
    """The arguments of a call with one user message."""
    messages = [{"role": "user", "content": text}]
    return {"model": "claude-haiku-4-5", "max_tokens": 1024, "messages": messages}


def counts_of(usage: Any) -> dict[str, int]:
    """A row's input counts, from what the SDK says of a message (whose own input excludes the cache)."""
    read, write = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return {
        "input_tokens": usage.input_tokens + read + write,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": usage.cache_creation.ephemeral_1h_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def test_message(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """A plain message reports the directive's tokens, cache writes split by their time to live."""
    message = anthropic_client.messages.create(**ask(f"Hello <<{COUNTS}>>"))
    assert message.usage.input_tokens == 1000
    assert message.usage.cache_creation and message.usage.cache_creation.ephemeral_5m_input_tokens == 600
    assert message.usage.output_tokens_details and message.usage.output_tokens_details.thinking_tokens == 40
    assert message.stop_reason == "end_turn"
    assert provider.calls == [replace(MESSAGE, response_id=message.id)]
    assert provider.calls == [replace(provider.calls[0], **counts_of(message.usage))]


def test_message_stream(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """The text of a streamed message adds up, and its usage to the row."""
    with anthropic_client.messages.stream(**ask(f"<<{COUNTS}>>")) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert len(text) == 260 * 4
    assert provider.calls == [replace(MESSAGE, response_id=message.id, stream=True)]
    assert provider.calls == [replace(provider.calls[0], **counts_of(message.usage))]


def test_event_framing(provider: StandInProvider) -> None:
    """The events of a stream are named and ordered as Anthropic sends them; usage comes first and last."""
    body = ask("<<in=50;out=4>>") | {"stream": True}
    response = httpx2.post(f"{provider.anthropic_base_url}/v1/messages", json=body)
    lines = response.text.splitlines()
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert '"output_tokens":1}' in lines[1]
    assert '"output_tokens":4}' in lines[-5]
    assert response.headers["request-id"].startswith("req_01")


def test_tool_round(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """The model uses the tool once, plain or streamed, and answers in words when it has the result."""
    question = ask('<<in=900;out=40;tool=get_weather:{"city":"Paris"}>>') | {"tools": TOOLS}
    first = anthropic_client.messages.create(**question)
    (use,) = first.content
    assert use.type == "tool_use" and use.input == {"city": "Paris"}
    with anthropic_client.messages.stream(**question) as stream:
        streamed = stream.get_final_message()
    (streamed_use,) = streamed.content
    assert streamed_use.type == "tool_use" and streamed_use.input == {"city": "Paris"}
    assert streamed.stop_reason == "tool_use"

    result = {"type": "tool_result", "tool_use_id": use.id, "content": "22 degrees"}
    question["messages"] += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    last = anthropic_client.messages.create(**question)
    assert [block.type for block in last.content] == ["text"]
    row = replace(MESSAGE, **REFUSED | {"input_tokens": 900, "output_tokens": 40})
    row = replace(row, response_model=MESSAGE.response_model, billable=True, usage_reported=True)
    assert provider.calls == [
        replace(row, response_id=first.id),
        replace(row, response_id=streamed.id, stream=True),
        replace(row, response_id=last.id),
    ]


def test_only_marked_prompts_are_cached(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """Without cache_control nothing is cached; with it the prefix is written once and read after that."""
    guide = "0123456789abcdef" * 500  # 8000 bytes, 2000 tokens
    marked = [{"type": "text", "text": guide, "cache_control": {"type": "ephemeral"}}]
    for system in (guide, guide, marked, marked):
        anthropic_client.messages.create(**ask("a question of 32 bytes, exactly."), system=system)
    assert [call.input_tokens for call in provider.calls] == [2008] * 4
    assert [call.cache_write_tokens for call in provider.calls] == [0, 0, 2000, 0]
    assert [call.cache_read_tokens for call in provider.calls] == [0, 0, 0, 2000]


def test_breakpoint_moves_along_a_conversation(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """Each turn reads what the last one wrote and writes only what is new, by its own time to live."""
    hour = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "s" * 8000, "cache_control": hour}]
    question = ask("q" * 4000) | {"system": system, "cache_control": {"type": "ephemeral"}}
    anthropic_client.messages.create(**question)
    question["messages"] += [
        {"role": "assistant", "content": "a" * 400},
        {"role": "user", "content": "r" * 1200},
    ]
    anthropic_client.messages.create(**question)
    counted = [
        (call.input_tokens, call.cache_read_tokens, call.cache_write_tokens, call.cache_write_1h_tokens)
        for call in provider.calls
    ]
    assert counted == [(3000, 0, 3000, 2000), (3400, 3000, 400, 0)]


def test_short_prompts_are_not_cached(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """A marked prompt of fewer than 1024 tokens is not cached."""
    for _ in range(2):
        anthropic_client.messages.create(**ask("q" * 4 * 1023), cache_control={"type": "ephemeral"})
    assert [call.cache_write_tokens + call.cache_read_tokens for call in provider.calls] == [0, 0]


@pytest.mark.parametrize("status", [429, 500, 529])
def test_sdk_retries_scripted_failures(provider: StandInProvider, anthropic_client: Anthropic, status: int) -> None:
    """The SDK gets through two scripted failures; each attempt is a row, only the last is billed."""
    message = anthropic_client.messages.create(**ask(f"<<{COUNTS};fail={status}*2>>"))
    failed = replace(MESSAGE, http_status=status, **REFUSED)
    assert provider.calls == [failed, failed, replace(MESSAGE, response_id=message.id)]


def test_broken_stream(provider: StandInProvider, anthropic_client: Anthropic) -> None:
    """A stream cut after four events (one a ping) raises; it is billed, and no final usage was sent."""
    events = []
    with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
        for event in anthropic_client.messages.create(**ask(f"<<{COUNTS};break=4>>"), stream=True):
            events.append(event)
    assert [event.type for event in events] == ["message_start", "content_block_start", "content_block_delta"]
    row = replace(MESSAGE, response_id=events[0].message.id, stream=True, usage_reported=False)
    assert provider.calls == [row]


def test_bad_request(provider: StandInProvider) -> None:
    """A body that is no JSON, or that lacks a field, is refused with an error that names what is wrong."""
    url = f"{provider.anthropic_base_url}/v1/messages"
    broken = httpx2.post(url, content=b"{")
    lacking = httpx2.post(url, json={"model": "claude-haiku-4-5"})
    assert (broken.status_code, broken.json()["error"]["message"]) == (400, "the request body is no JSON")
    assert (lacking.status_code, lacking.json()["error"]) == (
        400,
        {
            "type": "invalid_request_error",
            "message": "the request needs 'messages' as a JSON array",
        },
    )
