"""The table ``otel_traces``: its columns as the OTel Collector's ClickHouse exporter names and fills them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from spanledger_collector.model import Attributes, Span

KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUS_CODES = ("Unset", "Ok", "Error")


def text(value: Any) -> str:
    """An attribute value as ``otel_traces`` stores it: text as it is, everything else as JSON, bytes as base64."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=text)


def name_of(names: tuple[str, ...], number: int) -> str:
    """The name of an enum's number, the first for one nobody knows."""
    return names[number] if 0 <= number < len(names) else names[0]


def rows(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """The rows that the spans become, column names as keys; of spans with ids in hex and times in nanoseconds."""
    return [
        {
            "Timestamp": span.start_ns,
            "TraceId": span.trace_id,
            "SpanId": span.span_id,
            "ParentSpanId": span.parent_span_id,
            "TraceState": span.trace_state,
            "SpanName": span.name,
            "SpanKind": name_of(KINDS, span.kind),
            "ServiceName": span.resource.service,
            "ScopeName": span.scope_name,
            "ScopeVersion": span.scope_version,
            "SpanAttributes": _texts(span.attributes),
            "Duration": span.end_ns - span.start_ns,
            "StatusCode": name_of(STATUS_CODES, span.status_code),
            "StatusMessage": span.status_message,
            "Events.Timestamp": [event.time_ns for event in span.events],
            "Events.Name": [event.name for event in span.events],
            "Events.Attributes": [_texts(event.attributes) for event in span.events],
            "Links.TraceId": [link.trace_id for link in span.links],
            "Links.SpanId": [link.span_id for link in span.links],
            "Links.TraceState": [link.trace_state for link in span.links],
            "Links.Attributes": [_texts(link.attributes) for link in span.links],
            "ResourceAttributes": _texts(span.resource.attributes),
        }
        for span in spans
    ]


def _texts(attributes: Attributes) -> dict[str, str]:
    return {key: text(value) for key, value in attributes.items()}
