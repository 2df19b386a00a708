"""Codex: hundreds of spans a turn, of which one a call says what the call used.

That span (``handle_responses``, for the event that ends the answer) names neither model nor conversation: these are
on its ancestors (``try_run_sampling_request``, ``session_task.turn``), which repeat the usage as sums in
``codex.turn.token_usage.*``. The log record ``codex.sse_event`` of the kind ``response.completed`` is the same call
again, with its model. Counts are totals; the record's ``tool_token_count`` is input and output together. Read in its
source (codex-rs/core, codex-rs/otel), not captured.
"""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading, always

_TURN = "session_task.turn"
_SESSION = (*IDENTITY["session"], "conversation.id", "thread.id")


def _kind(span: Span) -> Kind | None:
    if "gen_ai.usage.input_tokens" in span.attributes and span.name != _TURN:
        return "llm"
    return "agent" if span.attributes.get("model") else None


def _kind_of_event(record: Span) -> Kind | None:
    attributes = record.attributes
    if attributes.get("event.kind") != "response.completed" or "error.message" in attributes:
        return None
    return "llm"


def _adjust(reading: Reading) -> None:
    reading.fields["stream"] = reading.kind == "llm"


DIALECT = Dialect(
    name="codex",
    scopes=("codex_", "codex-"),
    kind=_kind,
    adjust=_adjust,
    fields={
        **semconv.FIELDS,
        "request_model": ("gen_ai.request.model", "model"),
        "reasoning_tokens": (*semconv.FIELDS["reasoning_tokens"], "codex.usage.reasoning_output_tokens"),
        "session": _SESSION,
    },
    understood=("codex.turn.token_usage.",),
)

EVENTS: Mapping[str, Dialect] = {
    "codex.sse_event": Dialect(
        name="codex",
        kind=_kind_of_event,
        adjust=_adjust,
        fields={
            "request_model": ("model", "slug"),
            "input_tokens": ("gen_ai.usage.input_tokens", "input_token_count"),
            "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "cached_token_count"),
            "cache_write_tokens": ("gen_ai.usage.cache_write.input_tokens", "cache_write_token_count"),
            "output_tokens": ("gen_ai.usage.output_tokens", "output_token_count"),
            "reasoning_tokens": ("codex.usage.reasoning_output_tokens", "reasoning_token_count"),
            "session": _SESSION,
        },
        understood=("tool_token_count",),
    ),
    "codex.tool_result": Dialect(
        name="codex",
        kind=always("tool"),
        fields={
            "tool_name": ("tool_name",),
            "tool_call_id": ("call_id",),
            "tool_arguments": ("arguments",),
            "session": _SESSION,
        },
    ),
}
"""Log records by their event name."""
