"""From parsed protobuf messages to spans, the straightforward way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger_collector.model import Attributes, Event, Link, Resource, Span

LATEST_NS = 2**63 - 1
"""The end of ClickHouse's DateTime64(9), in the year 2262; OTLP's fixed64 goes on."""


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of a request in their order."""
    for resource_spans in request.resource_spans:
        resource = Resource(attributes_of(resource_spans.resource.attributes))
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            for span in scope_spans.spans:
                yield span_of(span, resource, scope.name, scope.version)


def span_of(span: trace_pb2.Span, resource: Resource, scope_name: str, scope_version: str) -> Span:
    """A span of this scope."""
    start_ns = min(span.start_time_unix_nano, LATEST_NS)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start_ns=start_ns,
        # A span that was never ended, or that ended before it began on a skewed clock, took no time.
        end_ns=max(min(span.end_time_unix_nano, LATEST_NS), start_ns),
        status_code=span.status.code,
        status_message=span.status.message,
        trace_state=span.trace_state,
        attributes=attributes_of(span.attributes),
        events=[event_of(event) for event in span.events],
        links=[link_of(link) for link in span.links],
        scope_name=scope_name,
        scope_version=scope_version,
        resource=resource,
    )


def event_of(event: trace_pb2.Span.Event) -> Event:
    """A span event."""
    return Event(event.name, min(event.time_unix_nano, LATEST_NS), attributes_of(event.attributes))


def link_of(link: trace_pb2.Span.Link) -> Link:
    """A span link."""
    return Link(link.trace_id.hex(), link.span_id.hex(), link.trace_state, attributes_of(link.attributes))


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """The pairs as a dict of plain values; of a key said twice the last holds."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue) -> Any:
    """An attribute value as Python has it; ``None`` for one that says nothing."""
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, which)
