"""Which dialect a span speaks, and the fact it states. A span of no dialect (HTTP, database) costs one set look-up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from spanledger_collector.decode.otel_traces import text as as_text
from spanledger_collector.model import BILLABLE, COUNT_FIELDS, SIZE_FIELDS, Attributes, Fact, Kind, Resource, Span
from spanledger_collector.normalise import (
    agent_framework,
    anthropic_sdk,
    bedrock,
    claude_code,
    codex,
    gemini_cli,
    google_adk,
    langfuse,
    langsmith,
    litellm,
    logfire,
    mlflow,
    official,
    openinference,
    openlit,
    pydantic_ai,
    semantic_kernel,
    semconv,
    sentry,
    spanledger,
    spring_ai,
    strands,
    traceloop,
    vercel_ai,
)
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Names, Reading
from spanledger_collector.normalise.estimate import estimate
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.stated import shape_of, stated
from spanledger_collector.normalise.unread import names_tokens, plain_usage, unread_usage
from spanledger_collector.normalise.usage import settle_totals
from spanledger_collector.normalise.values import MAX_JSON_CHARACTERS, count, money, number, text, truth

DIALECTS: tuple[Dialect, ...] = (
    spanledger.INFERRED,
    spanledger.DIALECT,
    anthropic_sdk.DIALECT,
    openinference.DIALECT,
    vercel_ai.DIALECT,
    vercel_ai.DIALECT_V7,
    claude_code.DIALECT,
    codex.DIALECT,
    gemini_cli.DIALECT,
    semantic_kernel.DIALECT,
    spring_ai.DIALECT,
    sentry.DIALECT,
    official.DIALECT,
    bedrock.DIALECT,
    traceloop.DIALECT,
    openlit.DIALECT,
    litellm.DIALECT,
    pydantic_ai.DIALECT,
    logfire.DIALECT,
    strands.DIALECT,
    agent_framework.DIALECT,
    google_adk.DIALECT,
    langfuse.DIALECT,
    langsmith.DIALECT,
    mlflow.DIALECT,
    semconv.DIALECT,
)
"""In order of precedence: the first that knows the scope, else the first of which a marker is present."""

_MARKERS = frozenset().union(*(dialect.markers for dialect in DIALECTS))
_COUNTS = frozenset(COUNT_FIELDS)
TOOL_FIELDS = frozenset(("tool_name", "tool_call_id", "tool_arguments_hash"))
OPERATIONS: dict[Kind, str] = {"llm": "chat", "embedding": "embeddings", "tool": "execute_tool"}
"""What a call is where its emitter does not say."""
HOSTED_OPERATION = "invoke_agent"
CLIENT = 3
_TEXTS = (
    *("operation", "provider", "request_model", "response_model", "response_id", "service_tier"),
    *("tool_definitions_hash", *TOOL_FIELDS, *IDENTITY),
)
READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TEXTS, text),
    **dict.fromkeys((*COUNT_FIELDS, *SIZE_FIELDS), count),
    "stream": truth,
    "usage_estimated": bool,
    "reported_cost_usd": money,
}
"""From what an attribute says to the value of the field; ``_fact`` itself reads all fields that are not here."""
_RESOURCE = Dialect(name="resource", fields={})
"""A resource says whom its spans are for, and nothing of a call."""


def scope_tells(scope: str) -> bool:
    """Whether all spans of this instrumentation scope are to be normalised."""
    return _dialect_of_scope(scope) is not None


def name_tells(attribute: str) -> bool:
    """Whether a span with an attribute of this name is to be normalised; the others are of no dialect and no fact."""
    return attribute in _MARKERS or names_tokens(attribute)


def normalise(span: Span) -> Fact | None:
    """What ``span`` says of a call, a tool execution or a wrapper; ``None`` for a span of no dialect."""
    dialect = dialect_of(span.scope_name, span.attributes.keys())
    if dialect is not None:
        return read(span, dialect)
    unread = plain_usage(span.attributes)
    return _unknown(span, unread) if unread else None


def read(span: Span, dialect: Dialect) -> Fact | None:
    """What ``span`` says in the terms of ``dialect``; ``None`` when that is nothing."""
    kind = dialect.kind(span)
    if kind is None:
        return None
    shape = shape_of(span.attributes, dialect)
    reading = Reading(span, kind, stated(span.attributes, shape))
    dialect.adjust(reading)
    return _fact(reading, dialect, unread_usage(span.attributes, shape.unread) if shape.unread else "")


def context(trace_id: str, span_id: str, parent_span_id: str, attributes: Attributes, resource: Resource) -> Fact:
    """What a plain span (HTTP, queue, workflow) between a call and its ancestors says: its parent, and for whom it ran.

    ``attributes`` may be the text forms that ``otel_traces`` keeps, so that a stored span makes the same fact.
    """
    identity: dict[str, Any] = {
        name: as_text(_first(attributes, names)) or as_text(_first(resource.attributes, names))
        for name, names in IDENTITY.items()
    }
    return Fact(trace_id, span_id, parent_span_id, service=resource.service, **identity)


def _unknown(span: Span, unread: str) -> Fact:
    """A span that may state a call in words nobody knows: nothing is counted, but it is seen that it is there."""
    said = context(span.trace_id, span.span_id, span.parent_span_id, span.attributes, span.resource)
    return said._replace(
        started_at_ns=span.start_ns,
        ended_at_ns=span.end_ns,
        scope=span.scope_name,
        unread_usage_attributes=unread,
    )


def dialect_of(scope: str, names: Collection[str]) -> Dialect | None:
    """The dialect of a span of this scope, with attributes of these names."""
    by_scope = _dialect_of_scope(scope)
    if by_scope is not None:
        return by_scope
    if _MARKERS.isdisjoint(names):
        return None
    return next(d for d in DIALECTS if not d.markers.isdisjoint(names))


def said_of_resource(resource: Resource) -> dict[str, str]:
    """Whom the spans of ``resource`` are for: fields of ``Fact``, where the span itself says nothing of them."""
    said = stated(resource.attributes, shape_of(resource.attributes, _RESOURCE))
    return {name: text(value) for name, value in said.items()}


@lru_cache(maxsize=4096)
def _dialect_of_scope(scope: str) -> Dialect | None:
    return next((d for d in DIALECTS if any(_belongs(scope, to) for to in d.scopes)), None)


def _belongs(scope: str, to: str) -> bool:
    return scope == to or scope.startswith(to if to.endswith((".", "_", "-")) else f"{to}.")


def _first(attributes: Attributes, names: Names) -> Any:
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def _fact(reading: Reading, dialect: Dialect, unread: str) -> Fact:
    span, fields, kind = reading.span, reading.fields, reading.kind
    values: dict[str, Any] = {}
    for name, value in fields.items():
        read = READERS.get(name)
        if read is not None:
            values[name] = read(value)
    settle_totals(values, count(fields["total_tokens"]) if "total_tokens" in fields else None)
    if not _says_usage(reading, values):
        for name in _COUNTS & values.keys():
            del values[name]
        if kind in BILLABLE:
            values.update(estimate(span.attributes))
    resource = span.resource
    for name, value in said_of_resource(resource).items():
        if not values.get(name):
            values[name] = value
    model = values.get("response_model") or values.get("request_model", "")
    values["provider"] = canonical_provider(values.get("provider", ""), model)
    if not values.get("operation"):
        values["operation"] = OPERATIONS.get(kind, "")
    if kind != "tool":
        # Some emitters put the tool a model asked for on the chat span: that is a request, not an execution.
        for name in TOOL_FIELDS & values.keys():
            del values[name]
    elif fields.get("tool_arguments") is not None and not values.get("tool_arguments_hash"):
        values["tool_arguments_hash"] = arguments_hash(fields["tool_arguments"])
    error_type = text(fields["error_type"]) if "error_type" in fields else _error_type(span)
    if error_type:
        values["status"], values["error_type"] = "error", error_type
    ttft_s = number(fields["ttft_s"]) if "ttft_s" in fields else None
    if ttft_s is not None:
        # Only a streamed answer has a first chunk.
        values["stream"], values["ttft_ms"] = True, round(ttft_s * 1000, 6)
    return Fact(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.start_ns,
        span.end_ns,
        resource.service,
        resource.instance,
        span.scope_name,
        dialect.name,
        dialect.trust,
        kind,
        unread_usage_attributes=unread,
        **values,
    )


def _says_usage(reading: Reading, values: Mapping[str, Any]) -> bool:
    """Whether the counts are of one call: a wrapper's are sums, and no call that was answered has none at all.

    An agent behind an API is the exception: nothing below it may be seen, so its usage is kept for ``merge`` to judge.
    """
    if reading.kind not in BILLABLE and not (
        reading.kind == "agent" and reading.span.kind == CLIENT and values.get("operation") == HOSTED_OPERATION
    ):
        return False
    return any(map(values.get, COUNT_FIELDS))


def arguments_hash(arguments: Any) -> str:
    """A short stable hash of tool arguments: equal arguments, however spaced or ordered, have equal hashes."""
    value = _parsed(arguments) if isinstance(arguments, str) else arguments
    try:
        canonical = as_text(_sorted(value))
    except (RecursionError, TypeError):
        # Nested deeper than can be sorted, or a Python dict whose keys are no names.
        canonical = str(arguments)
    return hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:16]


def _parsed(value: str) -> Any:
    if len(value) > MAX_JSON_CHARACTERS:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
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
