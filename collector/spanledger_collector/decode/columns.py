"""The columns of ``otel_traces`` while they are filled: elements of a Native column, joined once a block."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterable
from dataclasses import dataclass, field

from spanledger_collector.decode.otel_traces import text
from spanledger_collector.model import Attributes, Event, Link
from spanledger_collector.native import block, numbers, sized

_TEXT, _TIME, _COUNT, _MAP = "String", "DateTime64(9)", "UInt64", "Map(String, String)"

COLUMNS = (
    ("Timestamp", _TIME),
    ("TraceId", _TEXT),
    ("SpanId", _TEXT),
    ("ParentSpanId", _TEXT),
    ("TraceState", _TEXT),
    ("SpanName", _TEXT),
    ("SpanKind", _TEXT),
    ("ServiceName", _TEXT),
    ("ScopeName", _TEXT),
    ("ScopeVersion", _TEXT),
    ("SpanAttributes", _MAP),
    ("Duration", _COUNT),
    ("StatusCode", _TEXT),
    ("StatusMessage", _TEXT),
    ("Events.Timestamp", f"Array({_TIME})"),
    ("Events.Name", f"Array({_TEXT})"),
    ("Events.Attributes", f"Array({_MAP})"),
    ("Links.TraceId", f"Array({_TEXT})"),
    ("Links.SpanId", f"Array({_TEXT})"),
    ("Links.TraceState", f"Array({_TEXT})"),
    ("Links.Attributes", f"Array({_MAP})"),
    ("ResourceAttributes", _MAP),
)
"""Name and type of each column, in the order of the block."""


@dataclass(slots=True)
class Maps:
    """A column of maps from text to text: where each ends, and the keys and the values of all."""

    size: int = 0
    ends: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    def add(self, attributes: Attributes) -> None:
        """Append the map of these attributes."""
        self.size += len(attributes)
        self.ends.append(self.size)
        self.keys.extend(sized(name.encode()) for name in attributes)
        self.values.extend(sized(text(value).encode()) for value in attributes.values())

    def data(self) -> bytes:
        """The column."""
        return b"".join((numbers("Q", self.ends), *self.keys, *self.values))


@dataclass(slots=True)
class Columns:
    """One list a column, of whole elements but for ids (bytes) and numbers (int)."""

    start_ns: list[int] = field(default_factory=list)
    duration_ns: list[int] = field(default_factory=list)
    trace_id: list[bytes] = field(default_factory=list)
    span_id: list[bytes] = field(default_factory=list)
    parent_span_id: list[bytes] = field(default_factory=list)
    trace_state: list[bytes] = field(default_factory=list)
    name: list[bytes] = field(default_factory=list)
    kind: list[bytes] = field(default_factory=list)
    service: list[bytes] = field(default_factory=list)
    scope_name: list[bytes] = field(default_factory=list)
    scope_version: list[bytes] = field(default_factory=list)
    status_code: list[bytes] = field(default_factory=list)
    status_message: list[bytes] = field(default_factory=list)
    attributes: Maps = field(default_factory=Maps)
    resource_attributes: Maps = field(default_factory=Maps)
    event_end: list[int] = field(default_factory=list)
    event_time_ns: list[int] = field(default_factory=list)
    event_name: list[bytes] = field(default_factory=list)
    event_attributes: Maps = field(default_factory=Maps)
    link_end: list[int] = field(default_factory=list)
    link_trace_id: list[bytes] = field(default_factory=list)
    link_span_id: list[bytes] = field(default_factory=list)
    link_trace_state: list[bytes] = field(default_factory=list)
    link_attributes: Maps = field(default_factory=Maps)

    def add_event(self, event: Event) -> None:
        """Append an event of the present row."""
        self.event_time_ns.append(event.time_ns)
        self.event_name.append(sized(event.name.encode()))
        self.event_attributes.add(event.attributes)

    def add_link(self, link: Link) -> None:
        """Append a link of the present row."""
        self.link_trace_id.append(sized(link.trace_id.encode()))
        self.link_span_id.append(sized(link.span_id.encode()))
        self.link_trace_state.append(sized(link.trace_state.encode()))
        self.link_attributes.add(link.attributes)

    def block(self) -> bytes:
        """The rows as one Native block; nothing for none."""
        if not self.start_ns:
            return b""
        event_ends, link_ends = numbers("Q", self.event_end), numbers("Q", self.link_end)
        data = (
            numbers("q", self.start_ns),
            _ids(self.trace_id, 16),
            _ids(self.span_id, 8),
            _ids(self.parent_span_id, 8),
            b"".join(self.trace_state),
            b"".join(self.name),
            b"".join(self.kind),
            b"".join(self.service),
            b"".join(self.scope_name),
            b"".join(self.scope_version),
            self.attributes.data(),
            numbers("Q", self.duration_ns),
            b"".join(self.status_code),
            b"".join(self.status_message),
            event_ends + numbers("q", self.event_time_ns),
            event_ends + b"".join(self.event_name),
            event_ends + self.event_attributes.data(),
            link_ends + b"".join(self.link_trace_id),
            link_ends + b"".join(self.link_span_id),
            link_ends + b"".join(self.link_trace_state),
            link_ends + self.link_attributes.data(),
            self.resource_attributes.data(),
        )
        columns = ((name, kind, content) for (name, kind), content in zip(COLUMNS, data, strict=True))
        return block(columns, len(self.start_ns))


def _ids(ids: list[bytes], size: int) -> bytes:
    """Ids in hex. Where all are of ``size`` bytes the separator is their length, and one call writes them all."""
    if set(map(len, ids)) == {size}:
        length = bytes((2 * size,))
        return length + hexlify(b"".join(ids), length, size)
    return b"".join(sized(hexlify(some)) for some in ids)


def keys_and_values(attributes: Attributes) -> tuple[bytes, bytes]:
    """The two halves of a map's elements, for one that many rows have."""
    maps = Maps()
    maps.add(attributes)
    return b"".join(maps.keys), b"".join(maps.values)


def repeated(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Names of an enum as elements."""
    return tuple(sized(name.encode()) for name in texts)
