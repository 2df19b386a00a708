"""The columns of ``otel_traces``, as the OTel Collector's ClickHouse exporter names and fills them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from spanledger_collector.model import Attributes, Span

_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUS_CODES = ("Unset", "Ok", "Error")


def text(value: Any) -> str:
    """An attribute value as ``otel_traces`` stores it: text as it is, everything else as JSON, bytes as base64."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=text)


def _texts(attributes: Attributes) -> dict[str, str]:
    return {key: text(value) for key, value in attributes.items()}


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


_FILL: dict[str, Callable[[Span], Any]] = {
    "Timestamp": lambda span: span.start_ns,
    "TraceId": lambda span: span.trace_id,
    "SpanId": lambda span: span.span_id,
    "ParentSpanId": lambda span: span.parent_span_id,
    "TraceState": lambda span: span.trace_state,
    "SpanName": lambda span: span.name,
    "SpanKind": lambda span: _name(_KINDS, span.kind),
    "ServiceName": lambda span: span.resource.service,
    "ScopeName": lambda span: span.scope_name,
    "ScopeVersion": lambda span: span.scope_version,
    "SpanAttributes": lambda span: _texts(span.attributes),
    "Duration": lambda span: span.end_ns - span.start_ns,
    "StatusCode": lambda span: _name(_STATUS_CODES, span.status_code),
    "StatusMessage": lambda span: span.status_message,
    "Events.Timestamp": lambda span: [event.time_ns for event in span.events],
    "Events.Name": lambda span: [event.name for event in span.events],
    "Events.Attributes": lambda span: [_texts(event.attributes) for event in span.events],
    "Links.TraceId": lambda span: [link.trace_id for link in span.links],
    "Links.SpanId": lambda span: [link.span_id for link in span.links],
    "Links.TraceState": lambda span: [link.trace_state for link in span.links],
    "Links.Attributes": lambda span: [_texts(link.attributes) for link in span.links],
}

COLUMNS = (*_FILL, "ResourceAttributes")


def columns(spans: list[Span]) -> list[list[Any]]:
    """One list a column, in the order of ``COLUMNS``."""
    # A resource serves many spans: its map is made once.
    resources = {id(span.resource): span.resource for span in spans}
    texts = {key: _texts(resource.attributes) for key, resource in resources.items()}
    filled = [[fill(span) for span in spans] for fill in _FILL.values()]
    return [*filled, [texts[id(span.resource)] for span in spans]]
