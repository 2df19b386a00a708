"""Google's Agent Development Kit (scope ``gcp.vertex.agent``). No capture of it is in the corpus.

Counts are totals. Older spans of a call (``call_llm``) have no operation, newer versions put a ``generate_content``
span with the same usage below it: two copies of one call. ``(merged tools)`` only bundles what parallel tools answered.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading

_MERGED_TOOLS = "(merged tools)"
_NO_ID = "<not specified>"


def _kind(span: Span) -> Kind:
    if span.attributes.get("gen_ai.tool.name") == _MERGED_TOOLS:
        return "agent"
    return semconv.kind(span)


def _adjust(reading: Reading) -> None:
    fields = reading.fields
    if fields.get("tool_call_id") == _NO_ID:
        del fields["tool_call_id"]


DIALECT = Dialect(
    name="google_adk",
    scopes=("gcp.vertex.agent",),
    fields={
        **semconv.FIELDS,
        "tool_arguments": (*semconv.FIELDS["tool_arguments"], "gcp.vertex.agent.tool_call_args"),
        "session": (*IDENTITY["session"], "gcp.vertex.agent.session_id"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=40,
    conventional_without=frozenset(("gen_ai.tool.name", *semconv.FIELDS["tool_call_id"])),
)
