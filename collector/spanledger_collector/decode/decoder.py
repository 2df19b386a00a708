"""The fast decoder: requests to one Native block of ``otel_traces``, and to the spans that the ledger may want.

How it is fast: the messages are parsed with their leaves as bytes (``lite``), what repeats is remembered by its bytes
(``attributes``), and columns are joined from elements that are mostly copied (``columns``). Few spans become objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger_collector.decode.attributes import Attribute, AttributeReader, values_of
from spanledger_collector.decode.batch import Batch, PlainSpansByPlace, TraceRequest
from spanledger_collector.decode.columns import Columns, keys_and_values, repeated
from spanledger_collector.decode.lite import LiteRequest
from spanledger_collector.decode.otel_traces import KINDS, STATUS_CODES
from spanledger_collector.decode.spans import LATEST_NS, attributes_of, event_of, link_of
from spanledger_collector.errors import BadInputError
from spanledger_collector.model import Resource, Span
from spanledger_collector.native import sized

_MAX_REMEMBERED = 2_000
_MAX_REMEMBERED_BYTES = 2_048

_EMPTY = sized(b"")
_KIND_ELEMENTS, _STATUS_ELEMENTS = repeated(KINDS), repeated(STATUS_CODES)


@dataclass(slots=True, frozen=True)
class Emitter:
    """What all spans of a resource share."""

    resource: Resource
    service: bytes
    keys: bytes
    values: bytes


@dataclass(slots=True, frozen=True)
class _Scope:
    name: str
    version: str
    name_element: bytes
    version_element: bytes
    tells: bool


@dataclass(slots=True, frozen=True)
class _Status:
    code: int
    message: str
    code_element: bytes
    message_element: bytes


@dataclass(slots=True)
class _Collected:
    columns: Columns = field(default_factory=Columns)
    telling: list[Span] = field(default_factory=list)
    plain: PlainSpansByPlace = field(default_factory=PlainSpansByPlace)


class Decoder:
    """Remembers between batches what repeats, up to a bound. For one thread."""

    def __init__(
        self, scope_tells: Callable[[str], bool], name_tells: Callable[[str], bool], fact_reader: None = None
    ) -> None:
        """Make one for a ledger that wants spans of these scopes, and with attributes of these names.

        ``fact_reader`` is the compiled twin's: this one makes spans, and no facts.
        """
        self._scope_tells = scope_tells
        self._attributes = AttributeReader(name_tells)
        self._resource_of = _remembering(emitter_of)
        self._scope_of = _remembering(self._scope)
        self._status_of = _remembering(_status)

    def decode(self, requests: Iterable[TraceRequest]) -> Batch:
        """Decode requests in their order; ids are expected to be valid (``receive`` has rejected the others).

        Raises:
            BadInputError: bytes that are no request.
        """
        collected = _Collected()
        for request in requests:
            for resource_spans in _lite(request).resource_spans:
                resource = self._resource_of(resource_spans.resource)
                for scope_spans in resource_spans.scope_spans:
                    self._add(scope_spans.spans, self._scope_of(scope_spans.scope), resource, collected)
        columns = collected.columns
        return Batch(len(columns.start_ns), columns.block(), collected.telling, collected.plain)

    def _add(self, spans: Any, scope: _Scope, resource: Emitter, collected: _Collected) -> None:
        # Written out in one loop with local names: this is where the collector spends its time.
        columns = collected.columns
        add_start, add_duration = columns.start_ns.append, columns.duration_ns.append
        add_trace_id, add_span_id = columns.trace_id.append, columns.span_id.append
        add_parent, add_state, add_name = (
            columns.parent_span_id.append,
            columns.trace_state.append,
            columns.name.append,
        )
        add_kind, add_code, add_message = columns.kind.append, columns.status_code.append, columns.status_message.append
        add_event_end, add_link_end = columns.event_end.append, columns.link_end.append
        maps = columns.attributes
        add_end, add_keys, add_values = maps.ends.append, maps.keys.append, maps.values.extend
        remembered, read, shape_of = self._attributes.remembered, self._attributes.read, self._attributes.shape
        status_of = self._status_of
        size = maps.size
        for span in spans:
            trace_id, span_id, parent_span_id = span.trace_id, span.span_id, span.parent_span_id
            start_ns, end_ns, name, state = (
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.name,
                span.trace_state,
            )
            start_ns = start_ns if start_ns <= LATEST_NS else LATEST_NS
            end_ns = end_ns if end_ns <= LATEST_NS else LATEST_NS
            kind, status = span.kind, status_of(span.status)
            add_trace_id(trace_id)
            add_span_id(span_id)
            add_parent(parent_span_id)
            add_start(start_ns)
            # A span that was never ended, or that ended before it began on a skewed clock, took no time.
            add_duration(end_ns - start_ns if end_ns > start_ns else 0)
            add_name(sized(name))
            add_state(sized(state) if state else _EMPTY)
            add_kind(_KIND_ELEMENTS[kind if 0 <= kind < len(_KIND_ELEMENTS) else 0])
            add_code(status.code_element)
            add_message(status.message_element)
            attributes: list[Attribute] = [remembered(raw) or read(raw) for raw in span.attributes]
            tells = scope.tells
            if attributes:
                names, _, elements = zip(*attributes, strict=True)
                shape = shape_of(names)
                if not shape.distinct:
                    attributes = list({attribute[0]: attribute for attribute in attributes}.values())
                    names, _, elements = zip(*attributes, strict=True)
                    shape = shape_of(names)
                size += shape.size
                add_keys(shape.keys)
                add_values(elements)
                tells = tells or shape.telling
            add_end(size)
            for event in span.events:
                columns.add_event(event_of(trace_pb2.Span.Event.FromString(event)))
            for link in span.links:
                columns.add_link(link_of(trace_pb2.Span.Link.FromString(link)))
            add_event_end(len(columns.event_time_ns))
            add_link_end(len(columns.link_trace_id))
            if tells:
                collected.telling.append(_span(span, attributes, status, scope, resource.resource))
            else:
                maker = partial(_span, span, attributes, status, scope, resource.resource)
                collected.plain[trace_id.hex(), span_id.hex()] = maker
        maps.size = size
        _add_group(columns, scope, resource, len(spans))

    def _scope(self, raw: bytes) -> _Scope:
        scope = InstrumentationScope.FromString(raw)
        elements = sized(scope.name.encode()), sized(scope.version.encode())
        return _Scope(scope.name, scope.version, *elements, self._scope_tells(scope.name))


def _lite(request: TraceRequest) -> Any:
    if isinstance(request, bytes):
        request = _parsed(request)
    # As protobuf itself writes it: in order, each field once, and all texts are UTF-8.
    return LiteRequest.FromString(request.SerializeToString())


def _parsed(raw: bytes) -> ExportTraceServiceRequest:
    try:
        request = ExportTraceServiceRequest.FromString(raw)
    except DecodeError:
        raise BadInputError(
            f"the {len(raw)} bytes are no ExportTraceServiceRequest: protobuf that is broken, or text not in UTF-8"
        ) from None
    if raw and not request.resource_spans:
        raise BadInputError(f"the {len(raw)} bytes are no ExportTraceServiceRequest: no resource_spans are in them")
    return request


def _add_group(columns: Columns, scope: _Scope, resource: Emitter, rows: int) -> None:
    """What all spans of a scope share."""
    columns.service.append(resource.service * rows)
    columns.scope_name.append(scope.name_element * rows)
    columns.scope_version.append(scope.version_element * rows)
    maps, width = columns.resource_attributes, len(resource.resource.attributes)
    maps.ends.extend(range(maps.size + width, maps.size + width * rows + 1, width) if width else [maps.size] * rows)
    maps.size += width * rows
    maps.keys.append(resource.keys * rows)
    maps.values.append(resource.values * rows)


def _remembering(make: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """``make``, with what it made of short bytes remembered."""
    made: dict[bytes, Any] = {}

    def get(raw: bytes) -> Any:
        found = made.get(raw)
        if found is None:
            found = make(raw)
            if len(raw) <= _MAX_REMEMBERED_BYTES:
                if len(made) >= _MAX_REMEMBERED:
                    made.clear()
                made[raw] = found
        return found

    return get


def emitter_of(raw: bytes) -> Emitter:
    """What the bytes of a resource say."""
    resource = Resource(attributes_of(ResourceMessage.FromString(raw).attributes))
    return Emitter(resource, sized(resource.service.encode()), *keys_and_values(resource.attributes))


def _status(raw: bytes) -> _Status:
    status = trace_pb2.Status.FromString(raw)
    code = status.code if 0 <= status.code < len(_STATUS_ELEMENTS) else 0
    return _Status(status.code, status.message, _STATUS_ELEMENTS[code], sized(status.message.encode()))


def _span(span: Any, attributes: list[Attribute], status: _Status, scope: _Scope, resource: Resource) -> Span:
    start_ns = min(span.start_time_unix_nano, LATEST_NS)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name.decode(),
        kind=span.kind,
        start_ns=start_ns,
        end_ns=max(min(span.end_time_unix_nano, LATEST_NS), start_ns),
        status_code=status.code,
        status_message=status.message,
        trace_state=span.trace_state.decode(),
        attributes=values_of(attributes),
        events=[event_of(trace_pb2.Span.Event.FromString(event)) for event in span.events],
        links=[link_of(trace_pb2.Span.Link.FromString(link)) for link in span.links],
        scope_name=scope.name,
        scope_version=scope.version,
        resource=resource,
    )
