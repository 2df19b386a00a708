"""What versions of the Vercel AI SDK mean by their numbers, beyond what the corpus holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger_collector.model import Event

LEAF = "ai.generateText.doGenerate"


def attributes(provider: str, model: str, metadata: Any = None, **usage: Any) -> dict[str, Any]:
    """Attributes of a leaf span; keys of ``usage`` follow ``ai.usage.``."""
    return {
        "ai.operationId": LEAF,
        "gen_ai.system": provider,
        "gen_ai.request.model": model,
        **{f"ai.usage.{key}": value for key, value in usage.items()},
        **({} if metadata is None else {"ai.response.providerMetadata": json.dumps(metadata)}),
    }


CLAUDE = ("anthropic.messages", "claude-sonnet-4-5")
GEMINI = ("google.generative-ai", "gemini-2.5-flash")
CACHED = {"cache_read_input_tokens": 3000, "cache_creation_input_tokens": 1000}
LIVES = {"cache_creation": {"ephemeral_1h_input_tokens": 400, "ephemeral_5m_input_tokens": 600}}


@pytest.mark.parametrize(
    "metadata",
    [
        {"anthropic": {"cacheReadInputTokens": 3000, "cacheCreationInputTokens": 1000}},
        {"anthropic": {"usage": CACHED}},
        {"anthropic": {"usage": CACHED, "cacheCreationInputTokens": 1000}},
    ],
)
def test_versions_4_and_5_leave_the_cache_out_of_anthropics_input(fact_of, metadata) -> None:
    """The cache is added from the provider's metadata, whichever shape that version gave it, and only once."""
    fact = fact_of(attributes(*CLAUDE, metadata, inputTokens=1000, outputTokens=300), scope="ai")
    assert (fact.input_tokens, fact.cache_read_tokens, fact.cache_write_tokens) == (5000, 3000, 1000)


def test_version_6_states_totals(fact_of) -> None:
    """With details of the input the numbers are totals, though the metadata still holds the provider's own."""
    usage = {
        "inputTokens": 5000,
        "inputTokenDetails.noCacheTokens": 1000,
        "inputTokenDetails.cacheReadTokens": 3000,
        "inputTokenDetails.cacheWriteTokens": 1000,
    }
    metadata = {"anthropic": {"usage": {"input_tokens": 1000, **CACHED, **LIVES, "service_tier": "priority"}}}
    fact = fact_of(attributes(*CLAUDE, metadata, **usage), scope="ai")
    assert (fact.input_tokens, fact.cache_read_tokens, fact.cache_write_tokens) == (5000, 3000, 1000)
    assert (fact.cache_write_1h_tokens, fact.service_tier) == (400, "priority")


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        ({"google": {"usageMetadata": {"thoughtsTokenCount": 500}}}, {}),
        ({"google": {}}, {"reasoningTokens": 500}),
    ],
)
def test_versions_4_and_5_leave_the_thoughts_out_of_geminis_output(fact_of, metadata, usage) -> None:
    """Thoughts are added to the output where the SDK or the provider's metadata tells them."""
    fact = fact_of(attributes(*GEMINI, metadata, inputTokens=4000, outputTokens=200, **usage), scope="ai")
    assert (fact.output_tokens, fact.reasoning_tokens) == (700, 500)


def test_openais_counts_are_totals_in_every_version(fact_of) -> None:
    """Cached and reasoning tokens of OpenAI are parts of what is counted."""
    metadata = {"openai": {"cachedPromptTokens": 512, "reasoningTokens": 64}}
    fact = fact_of(attributes("openai.chat", "gpt-4o", metadata, promptTokens=1200, completionTokens=80), scope="ai")
    assert (fact.input_tokens, fact.cache_read_tokens) == (1200, 512)
    assert (fact.output_tokens, fact.reasoning_tokens) == (80, 64)


@pytest.mark.parametrize(
    "operation", ["ai.generateText", "ai.streamText", "ai.embed", "ai.embedMany", "ai.generateObject", "ai.rerank"]
)
def test_spans_above_the_leaves_are_wrappers(fact_of, operation) -> None:
    """What repeats the usage of the leaves is no call, and its numbers go nowhere."""
    fact = fact_of(attributes(*CLAUDE, promptTokens=7, completionTokens=7) | {"ai.operationId": operation}, scope="ai")
    assert (fact.kind, fact.input_tokens) == ("agent", None)


def test_not_a_number_is_not_a_count(fact_of) -> None:
    """Version 4 writes NaN for a stream that reported no usage: unknown, not zero."""
    nan = float("nan")
    fact = fact_of(attributes("openai.chat", "gpt-4o", promptTokens=nan, completionTokens=nan), scope="ai")
    assert (fact.input_tokens, fact.output_tokens) == (None, None)


def test_milliseconds_to_the_first_chunk(fact_of) -> None:
    """The SDK measures milliseconds where the conventions have seconds."""
    fact = fact_of(attributes(*CLAUDE) | {"ai.response.msToFirstChunk": 53.5}, scope="ai")
    assert (fact.ttft_ms, fact.stream) == (53.5, True)


def test_an_id_the_sdk_made_up_is_none(fact_of) -> None:
    """Only an id of the provider can be shared by copies of the call."""
    fact = fact_of(attributes(*GEMINI) | {"gen_ai.response.id": "aitxt-X2I3CsDZhRA9h6ETHFpqyYGn"}, scope="ai")
    assert fact.response_id == ""


def test_an_answer_that_cannot_be_used_was_an_answer(fact_of) -> None:
    """The provider bills an object that the SDK could not parse: the call did not fail, its usage is unknown."""
    unusable = Event("exception", 0, {"exception.type": "AI_NoObjectGeneratedError"})
    refused = Event("exception", 0, {"exception.type": "AI_APICallError"})
    assert fact_of(attributes(*CLAUDE), scope="ai", status=2, events=(unusable,)).status == "ok"
    assert fact_of(attributes(*CLAUDE), scope="ai", status=2, events=(refused,)).error_type == "AI_APICallError"


@pytest.mark.parametrize(
    "metadata",
    ["{", "[]", "null", '{"anthropic": 7}', '{"anthropic": {"usage": [1]}}', '{"anthropic": {"usage": "{}"}}', 7, None],
)
def test_broken_metadata_changes_nothing(fact_of, metadata) -> None:
    """Metadata of any shape leaves the plain counts as they are."""
    plain = attributes(*CLAUDE, promptTokens=1000, completionTokens=300)
    fact = fact_of(plain | {"ai.response.providerMetadata": metadata}, scope="ai")
    assert (fact.input_tokens, fact.output_tokens, fact.cache_read_tokens) == (1000, 300, None)


@pytest.mark.parametrize("scope", ["airflow", "aiohttp.client", "gen_ai_router", "aix"])
def test_other_scopes_that_begin_alike_are_not_meant(fact_of, scope) -> None:
    """The short scope names ``ai`` and ``gen_ai`` are matched as whole words."""
    assert fact_of({"http.request.method": "GET"}, scope=scope) is None


def test_tools_are_executions(fact_of) -> None:
    """A tool span has name, id and a hash of its arguments that does not depend on spacing."""
    tool = {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search", "ai.toolCall.id": "c1"}
    one = fact_of(tool | {"ai.toolCall.args": '{"a": 1, "b": 2}'}, scope="ai")
    other = fact_of(tool | {"ai.toolCall.args": '{"b":2,"a":1}'}, scope="ai")
    assert (one.kind, one.operation, one.tool_name, one.tool_call_id) == ("tool", "execute_tool", "search", "c1")
    assert one.tool_arguments_hash == other.tool_arguments_hash != ""
