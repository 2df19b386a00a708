"""The straightforward decoder: it walks the parsed protobuf messages once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger_collector.decode.otel_traces import columns
from spanledger_collector.model import Attributes, Event, Link, Resource, Span

LATEST_NS = 2**63 - 1
"""The end of ClickHouse's DateTime64(9), in the year 2262; OTLP's fixed64 goes on."""


@dataclass(slots=True, frozen=True)
class Batch:
    """What some requests held: the spans, and the same as ``otel_traces`` columns (names of ``COLUMNS``, in order)."""

    spans: list[Span]
    columns: list[list[Any]]


def decode(requests: Iterable[ExportTraceServiceRequest]) -> Batch:
    """Decode requests in their order; ids are expected to be valid (``receive`` has rejected the others)."""
    spans = [span for request in requests for span in _spans(request)]
    return Batch(spans, columns(spans))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource_spans in request.resource_spans:
        resource = Resource(attributes_of(resource_spans.resource.attributes))
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            for span in scope_spans.spans:
                yield _span(span, resource, scope.name, scope.version)


def _span(span: trace_pb2.Span, resource: Resource, scope_name: str, scope_version: str) -> Span:
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
        events=[Event(e.name, e.time_unix_nano, attributes_of(e.attributes)) for e in span.events],
        links=[
            Link(link.trace_id.hex(), link.span_id.hex(), link.trace_state, attributes_of(link.attributes))
            for link in span.links
        ],
        scope_name=scope_name,
        scope_version=scope_version,
        resource=resource,
    )


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """The pairs as a dict of plain values; of a key said twice the last holds."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, which)
