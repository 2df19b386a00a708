"""Every kind of call, by every client: what its span says, whole."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from spanledger_collector.testing import MemoryCollector

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


@pytest.mark.parametrize("call", [sdk_sync, sdk_async])
async def test_each_call_is_one_span_with_all_that_is_known(call, case, provider, only_span, span_of):
    """By the provider's own SDK, a call is one CLIENT span whose attributes are the case's, and no others."""
    if "sdk" not in case:
        pytest.skip("the SDKs of Google and Amazon have tests of their own")
    provider.will_answer_case(case)
    made = call(provider.url, case)
    if made is not None:
        await made
    assert only_span() == span_of(case)


@pytest.mark.parametrize("asked", ["true", "SPAN_ONLY", "span_and_event"])
def test_content_is_recorded_when_it_is_asked_for(asked, case, provider, spans, monkeypatch):
    """With the standard variable set, the span carries the messages of the call as JSON, and nothing is lost."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", asked)
    provider.will_answer_case(case)
    httpx2.post(provider.url + case["path"], json=case["request"])

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
    httpx2.post(provider.url + case["path"], json=case["request"])

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
    """The Anthropic SDK's own span and ours are in one trace, below the task, and one row in the ledger."""
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
    collector = MemoryCollector()
    collector.send(encode_spans(spans.finished()))
    (call,) = collector.calls()
    assert (call.response_id, call.input_tokens) == (
        ours["attributes"]["gen_ai.response.id"],
        ours["attributes"]["gen_ai.usage.input_tokens"],
    )
