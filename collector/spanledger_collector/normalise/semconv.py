"""The official GenAI semantic conventions, current and older, and everybody who follows them.

Sources: the registry of open-telemetry/semantic-conventions-genai and its migration notes; spans captured from the
official instrumentors and from ones that emit the same attributes under scopes of their own.
"""

from __future__ import annotations

from collections.abc import Container

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.dialect import Dialect

OPERATION = "gen_ai.operation.name"

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("chat", "generate_content", "text_completion", "responses", "completion", "acompletion", "llm_call"),
        "llm",
    ),
    **dict.fromkeys(("embeddings", "embedding", "aembedding"), "embedding"),
    "execute_tool": "tool",
    # Every other operation wraps calls, or reports usage that was billed elsewhere (fetch_response).
}
_USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.prompt_tokens")

FIELDS = {
    "operation": (OPERATION,),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "request_model": ("gen_ai.request.model",),
    "response_model": ("gen_ai.response.model",),
    "response_id": ("gen_ai.response.id",),
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming"),
    "service_tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
    ),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "ttft_s": ("gen_ai.response.time_to_first_chunk", "gen_ai.client.operation.time_to_first_chunk"),
    "reported_cost_usd": ("gen_ai.usage.cost", "gen_ai.usage.total_cost"),
    "tool_name": ("gen_ai.tool.name",),
    "tool_call_id": ("gen_ai.tool.call.id",),
    "tool_arguments_hash": ("spanledger.tool.arguments.hash",),
    "tool_arguments": ("gen_ai.tool.call.arguments",),
}

UNDERSTOOD = ("gen_ai.usage.text.", "spanledger.")
"""Parts of the counts that have no price of their own (image and audio have), and what another spanledger found out."""


def kind_of(operation: str) -> Kind:
    """What a span of this operation is to the ledger."""
    return _KINDS.get(operation, "agent")


def kind(span: Span) -> Kind:
    """The operation tells; without one, a span that carries usage is a call (emitters older than the attribute)."""
    operation = span.attributes.get(OPERATION)
    return kind_of(str(operation)) if operation else kind_by_names(span.attributes)


def kind_by_names(names: Container[str]) -> Kind:
    """What a span with these attributes is that says no operation."""
    return "llm" if any(name in names for name in _USAGE) else "agent"


DIALECT = Dialect(
    name="semconv",
    markers=frozenset((OPERATION, "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model", *_USAGE)),
    fields=FIELDS,
    kind=kind,
)
