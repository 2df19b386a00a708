"""What agent frameworks and their observers mean by their attributes, rule by rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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


def langfuse(fact: FactOf, **values: Any) -> Fact:
    """A generation of Langfuse; values are attribute names without their prefix, dots as underscores where unique."""
    named = {"usage": "usage_details", "cost": "cost_details", "model": "model.name", "start": "completion_start_time"}
    attributes = {f"langfuse.observation.{named.get(key, key)}": value for key, value in values.items()}
    return fact("langfuse-sdk", {"langfuse.observation.type": "generation", **attributes})


def test_langfuse_generations(fact: FactOf) -> None:
    """The provider is told by the model, the first token by an ISO time in JSON quotes, failure by the level."""
    found = langfuse(
        fact,
        model='"claude-sonnet-4-5"',
        usage='{"input": 1000, "output": 300, "cache_read_input_tokens": 3000}',
        cost='{"total": 0.0123}',
        start='"2001-09-09T01:46:40.250Z"',
    )
    assert (found.provider, found.response_model, found.input_tokens) == ("anthropic", "claude-sonnet-4-5", 4000)
    assert (found.ttft_ms, found.stream, str(found.reported_cost_usd)) == (250.0, True, "0.012300000000")
    failed = langfuse(fact, model="gpt-4o", level="ERROR", cost='{"input": 0, "output": 0, "total": 0}')
    assert (failed.status, failed.request_model, failed.response_model) == ("error", "gpt-4o", "")
    assert failed.reported_cost_usd is None


def test_langsmith_failures_are_told_by_their_event(fact: FactOf) -> None:
    """The status of a failed run is OK."""
    failure = Event("exception", 0, {"exception.type": "APIError"})
    found = fact("langsmith", {"langsmith.span.kind": "llm"}, status=1, events=[failure])
    assert (found.status, found.error_type) == ("error", "APIError")


def test_langsmith_details_are_reprs(fact: FactOf) -> None:
    """The parts of the usage beside totals that are attributes; a chain that repeats both is no call."""
    attributes = {
        USAGE + "input_tokens": 610,
        USAGE + "output_tokens": 61,
        USAGE + "input_token_details": "{'audio': 0, 'cache_read': 512}",
    }
    found = fact("langsmith", {"langsmith.span.kind": "llm", **attributes})
    assert counts(found) == {"input_tokens": 610, "cache_read_tokens": 512, "output_tokens": 61}
    chain = fact("langsmith", {"langsmith.span.kind": "chain", **attributes})
    assert (chain.kind, counts(chain)) == ("agent", {})


def test_mlflow_usage_without_an_answer(fact: FactOf) -> None:
    """Where the outputs hold no answer, MLflow's own totals stand in; every value is JSON text."""
    found = fact(
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "model": '"claude-sonnet-4-5"',
            "mlflow.message.format": '"anthropic"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 5000, "output_tokens": 300, "total_tokens": 5300,'
            ' "cache_read_input_tokens": 3000, "cache_creation_input_tokens_above_1hr": 400}',
            "mlflow.spanOutputs": '"<anthropic.Stream object>"',
        },
    )
    assert (found.provider, found.request_model, found.response_id) == ("anthropic", "claude-sonnet-4-5", "")
    assert counts(found)["input_tokens"] == 5000


def test_pydantic_ai_details_stand_in_for_totals(fact: FactOf) -> None:
    """1.x leaves the totals of an unknown Anthropic address out, and reports a cost of 0."""
    details = USAGE + "details."
    found = fact(
        "pydantic-ai",
        {
            "gen_ai.operation.name": "chat",
            details + "input_tokens": 1000,
            details + "cache_read_input_tokens": 3000,
            details + "cache_creation_input_tokens": 1000,
            details + "output_tokens": 300,
            "operation.cost": 0.0,
        },
    )
    assert (found.input_tokens, found.output_tokens, found.reported_cost_usd) == (5000, 300, None)


def test_pydantic_ai_runs_repeat_and_tools_do_not(fact: FactOf) -> None:
    """Spans of 1.x without an operation: a run's usage is a sum, a tool has a name, the bundle of tools has none."""
    run = fact("pydantic-ai", {"agent_name": "helper", USAGE + "input_tokens": 2039}, name="agent run")
    assert (run.kind, run.agent, counts(run)) == ("agent", "helper", {})
    assert fact("pydantic-ai", {"gen_ai.tool.name": "get_weather"}, name="running tool").kind == "tool"
    assert fact("pydantic-ai", {"tools": ["get_weather"]}, name="running tools").kind == "agent"


def test_logfire_reads_raw_usage_and_passes_over_announcements(
    fact: FactOf, fact_of: Callable[..., Fact | None]
) -> None:
    """The provider's usage is JSON; a pending span announces one that will follow."""
    raw = '{"input_tokens": 100, "cache_read_input_tokens": 800, "output_tokens": 41}'
    found = fact("logfire.anthropic", {"gen_ai.request.model": "claude-sonnet-4-5", USAGE + "raw": raw})
    assert (found.kind, found.input_tokens, found.cache_read_tokens) == ("llm", 900, 800)
    assert fact_of({"logfire.span_type": "pending_span"}, "logfire.openai") is None
    turn = fact("logfire.openai_agents", {"usage": '{"input_tokens": 100, "output_tokens": 10}'}, name="Turn 1")
    assert (turn.kind, counts(turn)) == ("agent", {})


def test_strands_times_are_milliseconds_and_its_provider_is_the_model_s(fact: FactOf) -> None:
    """The system is the framework's name; Bedrock's raw input shows by the total, and is made one."""
    found = fact(
        "strands.telemetry.tracer",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "strands-agents",
            "gen_ai.request.model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "gen_ai.server.time_to_first_token": 848,
            USAGE + "input_tokens": 3000,
            USAGE + "cache_read_input_tokens": 1000,
            USAGE + "cache_write_input_tokens": 500,
            USAGE + "output_tokens": 10,
            USAGE + "total_tokens": 4510,
        },
    )
    assert (found.ttft_ms, found.input_tokens, found.cache_write_tokens) == (848.0, 4500, 500)
    assert found.provider == "aws.bedrock"


def test_google_adk_bundles_are_no_tools_and_placeholders_no_ids(fact: FactOf) -> None:
    """``(merged tools)`` gathers the answers of parallel tools that have spans of their own."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "<not specified>"}
    bundle = fact("gcp.vertex.agent", {**tool, "gen_ai.tool.name": "(merged tools)"})
    single = fact("gcp.vertex.agent", {**tool, "gen_ai.tool.name": "get_weather"})
    assert (bundle.kind, single.kind, single.tool_call_id) == ("agent", "tool", "")


def test_agent_framework_response_ids_are_no_sessions(fact: FactOf) -> None:
    """With the Responses API its conversation id is the response's."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "resp_1", "gen_ai.conversation.id": "resp_1"}
    assert fact("agent_framework", call).session == ""
    assert fact("agent_framework", {**call, "gen_ai.conversation.id": "c-7"}).session == "c-7"


def openinference(fact: FactOf, kind: str, **attributes: Any) -> Fact:
    """A span of OpenInference; attribute names with underscores for dots."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    name = named.pop("name", "x")
    return fact("openinference.instrumentation.x", {"openinference.span.kind": kind, **named}, name=name)


def test_openinference_agents_repeat_and_handovers_are_no_tools(fact: FactOf) -> None:
    """Smolagents puts the sum of its calls on the agent; the OpenAI Agents SDK hands over by a nameless tool."""
    agent = openinference(fact, "AGENT", llm__token_count__prompt=6273, llm__token_count__completion=747)
    assert (agent.kind, counts(agent)) == ("agent", {})
    assert openinference(fact, "TOOL", name="handoff to helper").kind == "agent"
    assert openinference(fact, "TOOL", name="handoff to helper", tool__name="handoff to helper").kind == "tool"


def test_openinference_arguments_are_the_input_and_not_the_schema(fact: FactOf) -> None:
    """Smolagents wraps them in those of its own call, LangChain writes the repr of a dict."""
    schema = '{"city": {"type": "string"}}'
    plain = openinference(fact, "TOOL", tool__name="w", tool__parameters=schema, input__value='{"city": "Paris"}')
    wrapped = openinference(fact, "TOOL", tool__name="w", input__value='{"args": [], "kwargs": {"city": "Paris"}}')
    langchain = openinference(fact, "TOOL", tool__name="w", input__value="{'city': 'Paris'}")
    assert plain.tool_arguments_hash == wrapped.tool_arguments_hash == langchain.tool_arguments_hash != ""


def test_a_repr_is_read_from_its_ends(fact: FactOf) -> None:
    """Content that imitates the end of smolagents' ``ChatCompletion`` is not believed."""
    fake = ", created=1, model='fake', object='chat.completion', usage=CompletionUsage(prompt_tokens=9))"
    raw = (
        f"ChatCompletion(id='chatcmpl-A1b2C3d4', choices=[Choice(message='{fake}')], created=2, "
        "model='gpt-4o-2024-08-06', object='chat.completion', usage=CompletionUsage(completion_tokens=107, "
        "prompt_tokens=1013, prompt_tokens_details=PromptTokensDetails(audio_tokens=None, cached_tokens=128)))"
    )
    found = openinference(fact, "LLM", llm__model_name="gpt-4o", output__value=json.dumps({"raw": raw}))
    assert (found.response_id, found.request_model, found.response_model) == (
        *("chatcmpl-A1b2C3d4", "gpt-4o"),
        "gpt-4o-2024-08-06",
    )
    assert counts(found) == {"input_tokens": 1013, "cache_read_tokens": 128, "output_tokens": 107}
