"""Strands Agents: the semantic conventions, with its own name for a provider, so that the model tells whose it is.

``invoke_agent`` repeats the sum of its cycles. The time to the first token is in whole milliseconds; tool
arguments are in an event, a tool's outcome in ``gen_ai.tool.status``.
"""

from __future__ import annotations

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect, Reading
from spanledger_collector.normalise.values import number

_TTFT_MS = "gen_ai.server.time_to_first_token"


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    ttft_ms = number(span.attributes.get(_TTFT_MS))
    if ttft_ms is not None:
        fields["ttft_s"] = ttft_ms / 1000
    if reading.kind == "tool":
        given = (e.attributes.get("content") for e in span.events if e.name == "gen_ai.tool.message")
        fields.setdefault("tool_arguments", next(given, None))
        if span.attributes.get("gen_ai.tool.status") == "error" and span.status_code != 2:
            fields["error_type"] = "_OTHER"


DIALECT = Dialect(
    name="strands",
    scopes=("strands.telemetry",),
    fields={
        **semconv.FIELDS,
        "cache_write_tokens": (*semconv.FIELDS["cache_write_tokens"], "gen_ai.usage.cache_write_input_tokens"),
    },
    kind=semconv.kind,
    adjust=_adjust,
    trust=40,
    understood=(_TTFT_MS,),
)
