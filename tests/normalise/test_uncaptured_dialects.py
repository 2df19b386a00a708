"""Dialects that were read in their source: no capture backs them, so each rule has a span of its own here."""

from __future__ import annotations

import pytest

SPRING, KERNEL = "org.springframework.boot", "Microsoft.SemanticKernel.Diagnostics"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 300}
CACHED = {"gen_ai.usage.cache_read.input_tokens": 3000, "gen_ai.usage.cache_creation.input_tokens": 1000}


def test_spring_ai_passes_on_what_the_provider_counted(fact_of) -> None:
    """Anthropic's input leaves the cache out, OpenAI's does not."""
    claude = fact_of(CHAT | CACHED | {"gen_ai.system": "anthropic"}, scope=SPRING)
    openai = fact_of(CHAT | {"gen_ai.system": "openai", "gen_ai.usage.cache_read.input_tokens": 512}, scope=SPRING)
    assert (claude.dialect, claude.input_tokens) == ("spring_ai", 5000)
    assert (openai.input_tokens, openai.cache_read_tokens) == (1000, 512)


@pytest.mark.parametrize("kind", ["chat_client", "advisor", "vector_store"])
def test_spring_ai_wraps_calls_in_clients_and_advisors(fact_of, kind: str) -> None:
    """A span with a kind of Spring AI's own is a wrapper, and names the conversation."""
    own = {"gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai", "spring.ai.kind": kind}
    fact = fact_of(own | {"spring.ai.chat.client.conversation.id": "c-1"}, scope=SPRING)
    assert (fact.kind, fact.provider, fact.session) == ("agent", "", "c-1")


def test_spring_ai_tools_are_executions(fact_of) -> None:
    """The kind ``tool_call`` is a tool, whatever its operation is called."""
    own = {"gen_ai.operation.name": "framework", "spring.ai.kind": "tool_call"}
    fact = fact_of(own | {"spring.ai.tool.definition.name": "search"}, scope=SPRING)
    assert (fact.kind, fact.operation, fact.tool_name) == ("tool", "execute_tool", "search")


def test_other_spans_of_spring_boot_stay_plain(fact_of) -> None:
    """Micrometer exports HTTP and database spans under the same scope."""
    assert fact_of({"http.url": "/orders", "method": "GET"}, scope=SPRING) is None


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("chat.completions", ("gen_ai.response.prompt_tokens", "gen_ai.response.completion_tokens")),
        ("chat", ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")),
    ],
)
def test_semantic_kernel_renamed_its_counts(fact_of, operation: str, names: tuple[str, str]) -> None:
    """Older and current versions say the same by other names."""
    fact = fact_of({"gen_ai.operation.name": operation, names[0]: 10, names[1]: "3"}, scope=KERNEL)
    assert (fact.dialect, fact.kind, fact.input_tokens, fact.output_tokens) == ("semantic_kernel", "llm", 10, 3)


def test_sentry_names_the_parts_below_the_whole(fact_of) -> None:
    """Cached input and reasoning are parts of totals; without Sentry's scope the names alone tell."""
    parts = {
        "gen_ai.usage.input_tokens.cached": 400,
        "gen_ai.usage.input_tokens.cache_write": 100,
        "gen_ai.usage.output_tokens.reasoning": 50,
    }
    for scope in ("sentry.python", ""):
        fact = fact_of(CHAT | parts, scope=scope)
        assert (fact.dialect, fact.input_tokens, fact.output_tokens) == ("sentry", 1000, 300)
        assert (fact.cache_read_tokens, fact.cache_write_tokens, fact.reasoning_tokens) == (400, 100, 50)


def test_sentry_agents_repeat_their_calls(fact_of) -> None:
    """The usage of ``invoke_agent`` is a sum."""
    fact = fact_of(CHAT | {"gen_ai.operation.name": "invoke_agent"}, scope="sentry.python")
    assert (fact.kind, fact.input_tokens) == ("agent", None)


def test_codex_turns_repeat_their_calls(fact_of) -> None:
    """A turn that has usage in the standard names too is still no call."""
    turn = {"model": "gpt-5", "gen_ai.usage.input_tokens": 9000, "codex.turn.token_usage.input_tokens": 9000}
    fact = fact_of(turn, scope="codex_cli_rs", name="session_task.turn")
    assert (fact.kind, fact.input_tokens, fact.unread_usage_attributes) == ("agent", None, "")
