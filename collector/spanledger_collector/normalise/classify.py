"""Which dialect a span speaks, and the fact it states. A span of no dialect (HTTP, database) costs one set look-up."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from spanledger_collector.decode.otel_traces import text as as_text
from spanledger_collector.model import Attributes, Fact, Resource, Span
from spanledger_collector.normalise import anthropic_sdk, openinference, semconv, spanledger
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Names, Reading
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.values import count, money, number, text, truth

DIALECTS: tuple[Dialect, ...] = (spanledger.DIALECT, anthropic_sdk.DIALECT, openinference.DIALECT, semconv.DIALECT)
"""In order of precedence: the first that knows the scope, else the first of which a marker is present."""

_MARKERS = frozenset().union(*(dialect.markers for dialect in DIALECTS))
_COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_TEXTS = (
    "operation",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "service_tier",
    "tool_name",
    "tool_call_id",
    "tool_arguments_hash",
    *IDENTITY,
)


def normalise(span: Span) -> Fact | None:
    """What ``span`` says of a call, a tool execution or a wrapper; ``None`` for a span of no dialect."""
    dialect = _dialect(span)
    if dialect is None:
        return None
    reading = Reading(span, dialect.kind(span))
    for name, attribute_names in (*dialect.fields.items(), *IDENTITY.items()):
        value = _first(span.attributes, attribute_names)
        if value is not None:
            reading.fields.setdefault(name, value)
    dialect.adjust(reading)
    return _fact(reading, dialect)


def context(trace_id: str, span_id: str, parent_span_id: str, attributes: Attributes, resource: Resource) -> Fact:
    """What a plain span (HTTP, queue, workflow) between a call and its ancestors says: its parent, and for whom it ran.

    ``attributes`` may be the text forms that ``otel_traces`` keeps, so that a stored span makes the same fact.
    """
    identity = {
        name: as_text(_first(attributes, names)) or as_text(_first(resource.attributes, names))
        for name, names in IDENTITY.items()
    }
    return Fact(trace_id, span_id, parent_span_id, service=resource.service, **identity)


def _dialect(span: Span) -> Dialect | None:
    by_scope = _dialect_of_scope(span.scope_name)
    if by_scope is not None:
        return by_scope
    if _MARKERS.isdisjoint(span.attributes):
        return None
    return next(d for d in DIALECTS if not d.markers.isdisjoint(span.attributes))


@lru_cache(maxsize=4096)
def _dialect_of_scope(scope: str) -> Dialect | None:
    return next((d for d in DIALECTS if scope and scope.startswith(d.scopes)), None)


def _first(attributes: Attributes, names: Names) -> Any:
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def _fact(reading: Reading, dialect: Dialect) -> Fact:
    span, fields = reading.span, reading.fields
    values: dict[str, Any] = {name: text(fields.get(name)) for name in _TEXTS}
    values.update({name: count(fields.get(name)) for name in _COUNTS})
    for name, names in IDENTITY.items():
        values[name] = values[name] or text(_first(span.resource.attributes, names))
    values["provider"] = canonical_provider(
        values["provider"], values["response_model"] or values["request_model"]
    )
    ttft_s = number(fields.get("ttft_s"))
    error_type = _error_type(span)
    arguments = fields.get("tool_arguments")
    if reading.kind == "tool" and arguments is not None and not values["tool_arguments_hash"]:
        values["tool_arguments_hash"] = arguments_hash(arguments)
    if reading.kind != "tool":
        # Some emitters put the tool a model asked for on the chat span: that is a request, not an execution.
        values["tool_name"] = values["tool_call_id"] = values["tool_arguments_hash"] = ""
    return Fact(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        started_at_ns=span.start_ns,
        ended_at_ns=span.end_ns,
        service=span.resource.service,
        instance=span.resource.instance,
        scope=span.scope_name,
        dialect=dialect.name,
        trust=dialect.trust,
        kind=reading.kind,
        stream=truth(fields.get("stream")),
        status="error" if error_type else "ok",
        error_type=error_type,
        ttft_ms=None if ttft_s is None else round(ttft_s * 1000, 6),
        usage_estimated=bool(fields.get("usage_estimated")),
        reported_cost_usd=money(fields.get("reported_cost_usd")),
        **values,
    )


def arguments_hash(arguments: Any) -> str:
    """A short stable hash of tool arguments: equal arguments, however spaced or ordered, have equal hashes."""
    value = arguments
    if isinstance(value, str):
        value = _parsed(value)
    return hashlib.sha256(as_text(_sorted(value)).encode()).hexdigest()[:16]


def _parsed(value: str) -> Any:
    import json

    try:
        return json.loads(value)
    except ValueError:
        return value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _error_type(span: Span) -> str:
    """``error.type``, else the type of a recorded exception; '' for a span that did not fail."""
    named = text(span.attributes.get("error.type"))
    if named:
        return named
    if span.status_code != 2:
        return ""
    for event in span.events:
        if event.name == "exception":
            return text(event.attributes.get("exception.type")) or "_OTHER"
    return "_OTHER"
