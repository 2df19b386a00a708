"""Pydantic AI, instrumentation versions 1 to 5 (scope ``pydantic-ai``).

Version 2 of the library follows the semantic conventions; the sums of an agent have names of their own
(``gen_ai.aggregated_usage.*``). In 1.x an ``agent run`` repeats ``gen_ai.usage.*``, tools have no operation, and the
parts of the usage are only in ``gen_ai.usage.details.*``. For an Anthropic address that it does not know, 1.x leaves
the totals out and reports a cost of 0: the details are then the provider's raw counts, input without cache.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import include_cache

_DETAILS = "gen_ai.usage.details."


def _kind(span: Span) -> Kind:
    if span.attributes.get(semconv.OPERATION):
        return semconv.kind(span)
    return "tool" if "gen_ai.tool.name" in span.attributes else "agent"


def _adjust(reading: Reading) -> None:
    attributes, fields = reading.span.attributes, reading.fields
    if "input_tokens" not in fields and _DETAILS + "input_tokens" in attributes:
        fields["input_tokens"] = attributes[_DETAILS + "input_tokens"]
        include_cache(fields)
    fields.setdefault("output_tokens", attributes.get(_DETAILS + "output_tokens"))


DIALECT = Dialect(
    name="pydantic_ai",
    scopes=("pydantic-ai",),
    fields={
        **semconv.FIELDS,
        "cache_read_tokens": (
            *semconv.FIELDS["cache_read_tokens"],
            _DETAILS + "cache_read_input_tokens",
            _DETAILS + "cache_read_tokens",
            _DETAILS + "cached_tokens",
        ),
        "cache_write_tokens": (
            *semconv.FIELDS["cache_write_tokens"],
            _DETAILS + "cache_creation_input_tokens",
            _DETAILS + "cache_write_tokens",
        ),
        "reasoning_tokens": (*semconv.FIELDS["reasoning_tokens"], _DETAILS + "reasoning_tokens"),
        "reported_cost_usd": ("operation.cost",),
        "tool_arguments": (*semconv.FIELDS["tool_arguments"], "tool_arguments"),
        "agent": (*IDENTITY["agent"], "agent_name"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=45,
    understood=(_DETAILS, "gen_ai.aggregated_usage.", "pydantic_ai.cache."),
    conventional_without=frozenset((_DETAILS + "input_tokens", _DETAILS + "output_tokens")),
)
