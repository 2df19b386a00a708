"""Every kind of call, by every client: what its span says, whole."""

from __future__ import annotations

import functools
import json
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx
import httpx2
import openai
import pytest

KEYS = {"api_key": "test", "max_retries": 0}


def sdk_sync(url: str, case: dict[str, Any]) -> None:
    """The provider's own SDK."""
    package, method = case["sdk"].split(".", 1)
    with (
        openai.OpenAI(base_url=f"{url}/v1", **KEYS)
        if package == "openai"
        else anthropic.Anthropic(base_url=url, **KEYS)
    ) as client:
        answer = attrgetter(method)(client)(**case["request"])
        if case["request"].get("stream"):
            assert list(answer)


async def sdk_async(url: str, case: dict[str, Any]) -> None:
    """The provider's own SDK, async."""
    package, method = case["sdk"].split(".", 1)
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", **KEYS)
        if package == "openai"
        else anthropic.AsyncAnthropic(base_url=url, **KEYS)
    ) as client:
        answer = await attrgetter(method)(client)(**case["request"])
        if case["request"].get("stream"):
            assert [event async for event in answer]


def plain_sync(url: str, case: dict[str, Any], module: Any) -> None:
    """A hand-written request; the older SDKs do the same."""
    with (
        module.Client() as client,
        client.stream("POST", url + case["path"], json=case["request"]) as response,
    ):
        assert list(response.iter_bytes())


async def plain_async(url: str, case: dict[str, Any], module: Any) -> None:
    """A hand-written request, async."""
    async with (
        module.AsyncClient() as client,
        client.stream("POST", url + case["path"], json=case["request"]) as response,
    ):
        assert [chunk async for chunk in response.aiter_bytes()]


CLIENTS = {
    "sdk_sync": sdk_sync,
    "sdk_async": sdk_async,
    "httpx_sync": functools.partial(plain_sync, module=httpx),
    "httpx_async": functools.partial(plain_async, module=httpx),
    "httpx2_sync": functools.partial(plain_sync, module=httpx2),
    "httpx2_async": functools.partial(plain_async, module=httpx2),
}


async def call(client: str, url: str, case: dict[str, Any]) -> None:
    """Make the call by the client."""
    made = CLIENTS[client](url, case)
    if made is not None:
        await made


@pytest.mark.parametrize("client", CLIENTS)
async def test_each_call_is_one_span_with_all_that_is_known(client, case, provider, spans):
    """Whatever the client, a call is one CLIENT span whose attributes are the case's, and no others."""
    provider.will_answer_case(case)
    await call(client, provider.url, case)

    end_s = 3.0 if "gen_ai.response.time_to_first_chunk" in case["attributes"] else 2.0
    assert spans.snapshot() == [
        {
            "name": f"{case['attributes']['gen_ai.operation.name']} {case['request']['model']}",
            "kind": "CLIENT",
            "trace": 1,
            "span": 1,
            "parent": None,
            "start_s": 1.0,
            "end_s": end_s,
            "status": "UNSET",
            "attributes": {
                **case["attributes"],
                "server.address": "127.0.0.1",
                "server.port": urlsplit(provider.url).port,
                "http.request.method": "POST",
                "http.response.status_code": 200,
            },
        }
    ]


@pytest.mark.parametrize("asked", ["true", "SPAN_ONLY", "span_and_event"])
def test_content_is_recorded_when_it_is_asked_for(asked, case, provider, spans, monkeypatch):
    """With the standard variable set, the span carries the messages of the call as JSON, and nothing is lost."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", asked)
    provider.will_answer_case(case)
    sdk_sync(provider.url, case)

    attributes = spans.snapshot()[0]["attributes"]
    recorded = {name: json.loads(value) for name, value in attributes.items() if name in CONTENT}
    assert recorded == case["content"]
    assert {name: attributes[name] for name in case["attributes"]} == case["attributes"]


CONTENT = ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages")


@pytest.mark.parametrize("asked", ["", "false", "NO_CONTENT", "EVENT_ONLY"])
def test_content_stays_out_otherwise(asked, case, provider, spans, monkeypatch):
    """Without it, no value on the span quotes the prompt or the completion."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", asked)
    provider.will_answer_case(case)
    sdk_sync(provider.url, case)

    said = json.dumps(spans.snapshot())
    assert "Weather" not in said
    assert "Sun" not in said
    assert "Paris" not in said


def test_the_helper_for_message_streams_is_read_too(provider, spans, recorded_case):
    """`messages.stream()` of the Anthropic SDK gives the same span as `create(stream=True)`."""
    case = recorded_case("messages_stream")
    provider.will_answer_case(case)
    request = {field: value for field, value in case["request"].items() if field != "stream"}
    with (
        anthropic.Anthropic(base_url=provider.url, **KEYS) as client,
        client.messages.stream(**request) as stream,
    ):
        assert stream.get_final_text() == "Sunny."

    attributes = spans.snapshot()[0]["attributes"]
    assert {name: attributes[name] for name in case["attributes"]} == case["attributes"]


def test_an_sdk_that_traces_itself_shares_the_trace(provider, spans, recorded_case):
    """The Anthropic SDK's own span and ours are in one trace, below the task, with one response id."""
    import spanledger

    case = recorded_case("messages_plain")
    provider.will_answer_case(case)
    options = {"tracer_provider": spans.provider}
    with (
        anthropic.Anthropic(base_url=provider.url, open_telemetry=options, **KEYS) as client,
        spanledger.task("T-42"),
    ):
        client.messages.create(**case["request"])

    ours, theirs, task = spans.snapshot()
    assert [span["name"] for span in (ours, theirs, task)] == [
        "chat claude-haiku-4-5",
        "anthropic.messages.create",
        "invoke_workflow",
    ]
    assert ours["trace"] == theirs["trace"] == task["trace"]
    for attribute in ("gen_ai.response.id", "gen_ai.usage.input_tokens", "spanledger.task"):
        assert ours["attributes"][attribute] == theirs["attributes"][attribute]
