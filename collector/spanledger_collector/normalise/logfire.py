"""Logfire's instrumentation of the OpenAI and Anthropic SDKs and of the OpenAI Agents SDK. No capture is in the corpus.

The provider's usage is kept raw in ``gen_ai.usage.raw``. A stream's usage is on a span of the type ``log`` below the
call's; a ``pending_span`` announces a span that follows and says nothing of its own. The agents' turns and tasks repeat
their calls' usage under the bare name ``usage``.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import json_object, text

_RAW = "gen_ai.usage.raw"
_SPAN_TYPE = "logfire.span_type"
_RESPONSE = "response_data"


def _kind(span: Span) -> Kind | None:
    attributes = span.attributes
    if attributes.get(_SPAN_TYPE) == "pending_span":
        return None
    if attributes.get(semconv.OPERATION):
        return semconv.kind(span)
    return "llm" if _RAW in attributes or "gen_ai.request.model" in attributes else "agent"


def _adjust(reading: Reading) -> None:
    attributes, fields = reading.span.attributes, reading.fields
    if reading.kind in ("llm", "embedding"):
        reading.fill(read_usage(attributes.get(_RAW)))
        fields.setdefault("response_id", text(json_object(attributes.get(_RESPONSE)).get("id")))


DIALECT = Dialect(
    name="logfire",
    scopes=("logfire",),
    fields={
        **semconv.FIELDS,
        "response_id": (*semconv.FIELDS["response_id"], "response_id"),
        "reported_cost_usd": ("operation.cost",),
        "agent": (*IDENTITY["agent"], "agent_name"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=50,
    understood=(_RAW, "usage"),
)
