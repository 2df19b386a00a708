"""What instrumentors and gateways mean by their attributes, rule by rule."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from spanledger_collector.model import Event, Fact

USAGE = "gen_ai.usage."
COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
FactOf = Callable[..., Fact]


def counts(found: Fact) -> dict[str, int]:
    """The counts that are known and not zero."""
    return {name: value for name in COUNTS if (value := getattr(found, name))}


def test_bedrock_input_gets_the_cache_added(fact: FactOf) -> None:
    """Both Bedrock instrumentors state Converse's input, which excludes the cache; Traceloop names no region."""
    for scope in ("opentelemetry.instrumentation.botocore.bedrock-runtime", "opentelemetry.instrumentation.bedrock"):
        found = fact(
            scope,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "claude-sonnet-4-5-20250929-v1:0",
                USAGE + "input_tokens": 3000,
                USAGE + "cache_read.input_tokens": 1000,
                USAGE + "cache_creation.input_tokens": 500,
                USAGE + "output_tokens": 10,
            },
        )
        assert (found.dialect, found.provider, found.input_tokens) == ("bedrock", "aws.bedrock", 4500)


def test_an_official_scope_is_not_taken_for_traceloop_s(fact: FactOf) -> None:
    """``openai_v2`` begins like Traceloop's ``openai``; the OpenAI instrumentor of Traceloop has a version below it."""
    call = {"gen_ai.operation.name": "chat"}
    assert fact("opentelemetry.instrumentation.openai_v2", call).dialect == "opentelemetry"
    assert fact("opentelemetry.instrumentation.genai.anthropic", call).dialect == "opentelemetry"
    assert fact("opentelemetry.instrumentation.openai.v1", call).dialect == "traceloop"
    assert fact("opentelemetry.instrumentation.anthropic", call).dialect == "traceloop"


def test_traceloop_before_the_conventions(fact: FactOf) -> None:
    """Up to 0.4x the request's type tells a call, counts have older names and the vendor's name a capital."""
    found = fact(
        "opentelemetry.instrumentation.langchain",
        {
            "llm.request.type": "chat",
            "gen_ai.system": "Langchain",
            "gen_ai.request.model": "claude-sonnet-4-5",
            USAGE + "prompt_tokens": 4100,
            USAGE + "completion_tokens": 222,
            USAGE + "cache_read_input_tokens": 2500,
            USAGE + "cache_creation_input_tokens": 600,
            "traceloop.association.properties.session_id": "s-1",
        },
    )
    assert (found.kind, found.operation, found.provider, found.session) == ("llm", "chat", "anthropic", "s-1")
    assert counts(found) == {
        "input_tokens": 4100,
        "cache_read_tokens": 2500,
        "cache_write_tokens": 600,
        "output_tokens": 222,
    }


@pytest.mark.parametrize("wrapper", ["workflow", "task", "agent", "unknown"])
def test_traceloop_wrappers_are_never_calls(fact: FactOf, wrapper: str) -> None:
    """A workflow's or task's span only says what lies below it; an agent's also its name."""
    found = fact("traceloop.tracer", {"traceloop.span.kind": wrapper, "traceloop.entity.name": "planner"})
    assert (found.kind, found.agent) == ("agent", "planner" if wrapper == "agent" else "")


def test_traceloop_tools_have_the_arguments_in_their_input(fact: FactOf) -> None:
    """Equal arguments have the hash they have in any other dialect."""
    found = fact(
        "opentelemetry.instrumentation.langchain",
        {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "get_weather",
            "traceloop.entity.input": json.dumps({"inputs": {"city": "Paris"}, "tags": []}),
        },
    )
    other = fact(
        "strands.telemetry.tracer",
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"},
        events=[Event("gen_ai.tool.message", 0, {"content": '{"city":"Paris"}'})],
    )
    assert (found.kind, found.tool_name) == ("tool", "get_weather")
    assert found.tool_arguments_hash == other.tool_arguments_hash != ""


def openlit(provider: str, **more: Any) -> dict[str, Any]:
    """A chat span of OpenLIT."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        USAGE + "input_tokens": 3000,
        USAGE + "output_tokens": 10,
        USAGE + "cost": 0,
        "gen_ai.server.time_to_first_token": 0.25,
        **more,
    }


@pytest.mark.parametrize(("provider", "total"), [("anthropic", 4000), ("aws.bedrock", 4000), ("openai", 3000)])
def test_openlit_passes_on_the_provider_s_idea_of_input(fact: FactOf, provider: str, total: int) -> None:
    """Anthropic and Bedrock count the cache beside the input, OpenAI within it."""
    found = fact("openlit.instrumentation.x", openlit(provider, **{USAGE + "cache_read.input_tokens": 1000}))
    assert (found.input_tokens, found.usage_estimated, found.reported_cost_usd) == (total, False, None)


def test_openlit_guesses_are_flagged_and_first_tokens_are_of_streams(fact: FactOf) -> None:
    """A stream without cache counts was counted by a tokenizer; the first token of a whole answer is its end."""
    guessed = fact("openlit.instrumentation.openai", openlit("openai", **{"gen_ai.request.stream": True}))
    whole = fact("openlit.instrumentation.openai", openlit("openai", **{"gen_ai.request.stream": False}))
    assert (guessed.usage_estimated, guessed.ttft_ms) == (True, 250.0)
    assert (whole.usage_estimated, whole.ttft_ms, whole.stream) == (False, None, False)


def test_openlit_failures_without_attributes_are_read_from_their_name(fact: FactOf) -> None:
    """The name is the operation and the model."""
    found = fact("openlit.instrumentation.anthropic", {}, name="chat claude-sonnet-4-5", status=2)
    assert (found.kind, found.operation, found.request_model, found.provider, found.status) == (
        *("llm", "chat", "claude-sonnet-4-5", "anthropic"),
        "error",
    )


def test_a_tool_named_on_a_chat_span_is_a_request(fact: FactOf) -> None:
    """OpenLIT puts the tool that a model asks for on the call; nothing was executed."""
    found = fact("openlit.instrumentation.openai", openlit("openai", **{"gen_ai.tool.name": "get_weather"}))
    assert (found.kind, found.tool_name) == ("llm", "")


WRAPPED = "resp_" + base64.b64encode(b"litellm:custom_llm_provider:openai;model_id:None;response_id:resp_68af").decode()


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("chatcmpl-CcYqZ4LqvYvbnwkzOMBrr", "chatcmpl-CcYqZ4LqvYvbnwkzOMBrr"),
        ("chatcmpl-0edc0213-bd04-4659-a159-b5dc62a04889", ""),
        ("543f7229-8cbd-464e-b2ea-5c9d330f9233", ""),
        (WRAPPED, "resp_68af"),
        ("resp_" + "A" * 60, "resp_" + "A" * 60),
        ("resp_" + "!" * 60, "resp_" + "!" * 60),
    ],
)
def test_litellm_ids_are_the_provider_s_or_none(fact: FactOf, stated: str, kept: str) -> None:
    """An id that LiteLLM made up would keep the copies of a call apart; a wrapped one is unwrapped."""
    found = fact("litellm", {"gen_ai.operation.name": "chat", "gen_ai.response.id": stated})
    assert found.response_id == kept


def test_zero_usage_is_unknown_and_not_free(fact: FactOf) -> None:
    """LiteLLM writes zeros and a cost of zero for a stream without usage: no answered call used nothing."""
    found = fact(
        "litellm",
        {
            "gen_ai.operation.name": "chat",
            "llm.is_streaming": "True",
            USAGE + "input_tokens": 0,
            USAGE + "output_tokens": 0,
            "gen_ai.cost.total_cost": 0.0,
            "metadata.usage_object": "{'prompt_tokens': 0, 'completion_tokens': 0, 'prompt_tokens_details': None}",
        },
    )
    assert (found.input_tokens, found.output_tokens, found.reported_cost_usd, found.stream) == (None, None, None, True)


def test_a_zero_part_of_a_known_whole_is_zero(fact: FactOf) -> None:
    """Zero cached tokens are a count, where the input is one."""
    found = fact(
        "x", {"gen_ai.operation.name": "chat", USAGE + "input_tokens": 5, USAGE + "cache_read.input_tokens": 0}
    )
    assert (found.input_tokens, found.cache_read_tokens) == (5, 0)


def test_an_empty_raw_span_of_litellm_says_nothing_of_a_call(fact: FactOf) -> None:
    """A stream's inner span has no attributes; it only links what is below it."""
    assert fact("litellm", {}, name="raw_gen_ai_request").kind == "context"


def test_an_unknown_dialect_with_standard_attributes_works(fact: FactOf) -> None:
    """A scope nobody knows, in the conventions' words of today and of yesterday."""
    new = fact("acme.llm", {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "xai", USAGE + "input_tokens": 7})
    old = fact("acme.llm", {"gen_ai.system": "xai", USAGE + "prompt_tokens": "7"})
    assert (
        (new.kind, new.provider, new.input_tokens) == (old.kind, old.provider, old.input_tokens) == ("llm", "x_ai", 7)
    )
