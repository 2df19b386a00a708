"""Claude Code: spans ``claude_code.*`` with bare attribute names, and the log records of the same calls.

Its input count leaves the cache out. What a call cost is only in the log record ``claude_code.api_request``, which
also names the dated model; spans are off unless asked for, so that the record often is all there is. Captured (2.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.dialect import Dialect, Reading, always
from spanledger_collector.normalise.usage import include_cache
from spanledger_collector.normalise.values import number

_KINDS: dict[str, Kind] = {
    "llm_request": "llm",
    # The outer span knows the tool's name, the inner one what became of it.
    "tool": "tool",
    "tool.execution": "tool",
    "interaction": "agent",
}
_TOKENS = {
    "input_tokens": ("input_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_creation_tokens",),
    "output_tokens": ("output_tokens",),
}
_TOOL = {
    "tool_name": ("tool_name",),
    "tool_call_id": ("tool_use_id", "gen_ai.tool.call.id"),
    "error_type": ("error_type",),
}


def _kind(span: Span) -> Kind | None:
    return _KINDS.get(str(span.attributes.get("span.type")))


def _adjust_span(reading: Reading) -> None:
    fields, attributes = reading.fields, reading.span.attributes
    if attributes.get("success") is False and reading.span.status_code != 2:
        fields.setdefault("error_type", "_OTHER")
    if reading.kind == "llm":
        _adjust_call(reading)
        ttft_ms = number(attributes.get("ttft_ms"))
        fields["ttft_s"] = None if ttft_ms is None else ttft_ms / 1000


def _adjust_call(reading: Reading) -> None:
    reading.fields["stream"] = True
    reading.fields.setdefault("provider", "anthropic")
    include_cache(reading.fields)


DIALECT = Dialect(
    name="claude_code",
    scopes=("com.anthropic.claude_code.tracing",),
    kind=_kind,
    adjust=_adjust_span,
    fields={
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "request_model": ("gen_ai.request.model", "model"),
        "response_id": ("gen_ai.response.id",),
        **_TOKENS,
        **_TOOL,
    },
)

EVENTS: Mapping[str, Dialect] = {
    "claude_code.api_request": Dialect(
        name="claude_code",
        kind=always("llm"),
        adjust=_adjust_call,
        fields={"response_model": ("model",), "reported_cost_usd": ("cost_usd",), **_TOKENS},
        understood=("cost_usd_micros",),
    ),
    "claude_code.tool_result": Dialect(
        name="claude_code",
        kind=always("tool"),
        fields={**_TOOL, "tool_arguments": ("tool_input",)},
    ),
}
"""Log records by their event name. A failed attempt (``api_error``) costs nothing and is not one of them."""
