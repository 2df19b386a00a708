"""Gemini CLI: spans ``llm_call`` and ``tool_call``, and the log records of the same calls.

Each call is a trace of its own. A span's output lacks the thoughts, and it says nothing of the cache; the log record
``gemini_cli.api_response`` has both. Whether a tool failed is in the record ``gemini_cli.tool_call`` only. The record
``gen_ai.client.inference.operation.details`` is the same call once more, with the counts of the span. Captured
(0.61).
"""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect, Reading, always
from spanledger_collector.normalise.values import count, json_object

_KINDS: dict[str, Kind] = {"llm_call": "llm", "tool_call": "tool"}


def _kind(span: Span) -> Kind:
    return _KINDS.get(str(span.attributes.get(semconv.OPERATION)), "agent")


def _adjust_span(reading: Reading) -> None:
    if reading.kind == "tool":
        request = json_object(reading.span.attributes.get("gen_ai.input.messages"))
        reading.fields.setdefault("tool_arguments", request.get("args"))


def _adjust_response(reading: Reading) -> None:
    fields, attributes = reading.fields, reading.span.attributes
    if attributes.get("auth_type") == "vertex-ai":
        fields["provider"] = "gcp.vertex_ai"
    for name, further in (("input_tokens", "tool_token_count"), ("output_tokens", "thoughts_token_count")):
        counted = count(fields.get(name))
        if counted is not None:
            fields[name] = counted + (count(attributes.get(further)) or 0)


DIALECT = Dialect(
    name="gemini_cli",
    scopes=("gemini-cli",),
    kind=_kind,
    adjust=_adjust_span,
    fields={
        **semconv.FIELDS,
        # Its operation names (llm_call, tool_call) are nobody else's.
        "operation": (),
        "tool_call_id": ("gen_ai.tool.call_id", *semconv.FIELDS["tool_call_id"]),
    },
)

EVENTS: Mapping[str, Dialect] = {
    "gemini_cli.api_response": Dialect(
        name="gemini_cli",
        kind=always("llm"),
        trust=60,
        adjust=_adjust_response,
        fields={
            "response_model": ("model",),
            "input_tokens": ("input_token_count",),
            "cache_read_tokens": ("cached_content_token_count",),
            "output_tokens": ("output_token_count",),
            "reasoning_tokens": ("thoughts_token_count",),
        },
        understood=("tool_token_count",),
    ),
    "gemini_cli.tool_call": Dialect(
        name="gemini_cli",
        kind=always("tool"),
        fields={
            "tool_name": ("function_name",),
            "tool_arguments": ("function_args",),
            "error_type": ("error.type", "error_type"),
        },
    ),
}
"""Log records by their event name."""
