# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``decoder``: from the bytes of requests to columns, without an object per span.

It walks the wire format itself, and holds every length against what is there. What a well-behaved client never writes
(a field said twice, of another type, out of order, text that is none) is not judged here: the whole request then goes
to protobuf and the pure decoder, and its rows follow in a block of their own.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from spanledger_collector.decode.buffer cimport (
    Buffer, put, put_hex, put_sized, put_uint64, release, reserve, write_hex, write_varint,
)
from spanledger_collector.decode.compiled_attributes cimport AttributeReader, Attributes, Shape, put_values, value_of
from spanledger_collector.decode.compiled_plain cimport PlainSpans
from spanledger_collector.decode.wire cimport Place, is_utf8, read_fixed64, read_size, read_tag, read_varint, skip

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger_collector.decode.batch import Batch
from spanledger_collector.decode.columns import COLUMNS, repeated
from spanledger_collector.decode.decoder import Decoder as PureDecoder, emitter_of
from spanledger_collector.decode.otel_traces import KINDS, STATUS_CODES
from spanledger_collector.decode.spans import event_of, link_of
from spanledger_collector.model import Span
from spanledger_collector.native import sized

if sys.byteorder != "little":
    raise ModuleNotFoundError("the compiled decoder writes numbers as a little-endian machine has them")

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)

cdef enum Column:
    START, DURATION, TRACE_ID, SPAN_ID, PARENT, STATE, NAME, KIND, SERVICE, SCOPE_NAME, SCOPE_VERSION, CODE, MESSAGE
    ENDS, KEYS, VALUES
    EVENT_ENDS, EVENT_TIME, EVENT_NAME, EVENT_MAP_ENDS, EVENT_KEYS, EVENT_VALUES
    LINK_ENDS, LINK_TRACE_ID, LINK_SPAN_ID, LINK_STATE, LINK_MAP_ENDS, LINK_KEYS, LINK_VALUES
    RESOURCE_ENDS, RESOURCE_KEYS, RESOURCE_VALUES
    BUFFERS

cdef dict _PARTS = {
    "Timestamp": (START,),
    "TraceId": (TRACE_ID,),
    "SpanId": (SPAN_ID,),
    "ParentSpanId": (PARENT,),
    "TraceState": (STATE,),
    "SpanName": (NAME,),
    "SpanKind": (KIND,),
    "ServiceName": (SERVICE,),
    "ScopeName": (SCOPE_NAME,),
    "ScopeVersion": (SCOPE_VERSION,),
    "SpanAttributes": (ENDS, KEYS, VALUES),
    "Duration": (DURATION,),
    "StatusCode": (CODE,),
    "StatusMessage": (MESSAGE,),
    "Events.Timestamp": (EVENT_ENDS, EVENT_TIME),
    "Events.Name": (EVENT_ENDS, EVENT_NAME),
    "Events.Attributes": (EVENT_ENDS, EVENT_MAP_ENDS, EVENT_KEYS, EVENT_VALUES),
    "Links.TraceId": (LINK_ENDS, LINK_TRACE_ID),
    "Links.SpanId": (LINK_ENDS, LINK_SPAN_ID),
    "Links.TraceState": (LINK_ENDS, LINK_STATE),
    "Links.Attributes": (LINK_ENDS, LINK_MAP_ENDS, LINK_KEYS, LINK_VALUES),
    "ResourceAttributes": (RESOURCE_ENDS, RESOURCE_KEYS, RESOURCE_VALUES),
}
# What a column begins with, and the buffers it is made of.
cdef list _LAYOUT = [(sized(name.encode()) + sized(kind.encode()), _PARTS[name]) for name, kind in COLUMNS]

cdef tuple _KIND_ELEMENTS = repeated(KINDS)
cdef tuple _CODE_ELEMENTS = repeated(STATUS_CODES)

cdef enum:
    LATEST_NS = 0x7FFFFFFFFFFFFFFF
    MAX_REMEMBERED = 2000
    MAX_REMEMBERED_BYTES = 2048
    # What a column may keep of memory between batches.
    MAX_KEPT_BYTES = 16777216

ctypedef struct Counts:
    size_t rows
    size_t attributes
    size_t events
    size_t event_attributes
    size_t links
    size_t link_attributes
    size_t resource_attributes


cdef class Scope:
    """What all spans of a scope share."""

    def __init__(self, str name, str version, bint tells):
        self.name, self.version, self.tells = name, version, tells
        self.name_element, self.version_element = sized(name.encode()), sized(version.encode())


cdef class Emitter:
    """What all spans of a resource share."""

    def __init__(self, resource, bytes service, bytes keys, bytes values):
        self.resource, self.service, self.keys, self.values = resource, service, keys, values
        self.width = len(resource.attributes)


cdef class FactReader:
    """Reads facts from spans that are not made for it; the normaliser's twin is one."""

    cdef object read(self, SpanView* span, Shape shape, Scope scope, Emitter emitter):
        """The fact; ``None`` where a ``Span`` must be made for the normaliser itself to read."""
        return None


cdef inline int _once(unsigned int* seen, unsigned int field) noexcept nogil:
    """Whether a field comes for the first time."""
    if seen[0] >> field & 1:
        return False
    seen[0] |= <unsigned int>1 << field
    return True


cdef inline Place _text(Place at, Place end, Text* into) noexcept nogil:
    at = read_size(at, end, &into.size)
    if at == NULL:
        return NULL
    into.at = at
    return at + into.size


cdef inline int64_t _time(uint64_t time_ns) noexcept nogil:
    return <int64_t>time_ns if time_ns <= LATEST_NS else LATEST_NS


cdef inline bytes _enum_element(tuple elements, int32_t number):
    return <bytes>elements[number if 0 <= number < len(elements) else 0]


cdef class Decoder:
    """Remembers between batches what repeats, up to a bound. For one thread."""

    cdef AttributeReader _reader
    cdef FactReader _fact_reader
    cdef object _scope_tells, _pure
    cdef dict _scopes, _emitters
    cdef Buffer _columns[<int>BUFFERS]
    cdef size_t _marks[<int>BUFFERS]
    cdef Counts _counts
    cdef SpanView _span
    # The attributes of an event or a link; those of the span are in ``_span``.
    cdef Attributes _part
    cdef list _blocks, _telling, _facts
    cdef PlainSpans _plain
    cdef size_t _rows_before

    def __init__(self, scope_tells, name_tells, FactReader fact_reader=None):
        """Make one for a ledger that wants spans of these scopes, and with attributes of these names.

        With a ``fact_reader`` most of these become facts at once.
        """
        self._reader = AttributeReader(name_tells)
        self._fact_reader = fact_reader
        self._scope_tells = scope_tells
        self._pure = PureDecoder(scope_tells, name_tells)
        self._scopes, self._emitters = {}, {}

    def __dealloc__(self):
        cdef int column
        for column in range(BUFFERS):
            release(&self._columns[column])
        free(self._span.attributes.items)
        free(self._part.items)

    def decode(self, requests):
        """Decode requests in their order.

        Raises:
            BadInputError: bytes that are no request.
        """
        self._blocks, self._telling, self._facts, self._plain = [], [], [], PlainSpans()
        self._rows_before = 0
        self._empty()
        for request in requests:
            self._add(request if isinstance(request, bytes) else request.SerializeToString())
        self._end_block()
        block = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
        batch = Batch(self._rows_before, block, self._telling, self._plain, self._facts)
        self._blocks = self._telling = self._facts = self._plain = None
        return batch

    cdef int _add(self, bytes request) except -1:
        """Take all of a request, or leave it to the pure decoder as if nothing had been taken."""
        cdef int column
        cdef Counts counts = self._counts
        cdef Place at = <Place>PyBytes_AS_STRING(request)
        for column in range(BUFFERS):
            self._marks[column] = self._columns[column].size
        telling, facts, marks = len(self._telling), len(self._facts), self._plain.marks
        self._reader.let_go()
        if not self._read_request(at, at + PyBytes_GET_SIZE(request), request):
            return 0
        for column in range(BUFFERS):
            self._columns[column].size = self._marks[column]
        self._counts = counts
        del self._telling[telling:]
        del self._facts[facts:]
        self._plain.cut(marks)
        batch = self._pure.decode((request,))
        self._end_block()
        self._blocks.append(batch.block)
        self._telling.extend(batch.telling)
        self._plain.update(batch.plain)
        self._rows_before += batch.size
        return 0

    # All that read return 0, or 1 for what is left to the pure decoder.

    cdef int _read_request(self, Place at, Place end, bytes request) except -1:
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef bint empty = at != end
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 1:
                if wire_type != 2:
                    return 1
                at = read_size(at, end, &size)
                if at == NULL or self._read_resource_spans(at, at + size, request):
                    return 1
                at += size
                empty = False
            else:
                at = skip(at, end, wire_type)
                if at == NULL:
                    return 1
        return empty

    cdef int _read_resource_spans(self, Place at, Place end, bytes request) except -1:
        cdef Text resource
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef Emitter emitter = None
        memset(&resource, 0, sizeof(resource))
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 1:
                # All spans that follow are of it.
                if wire_type != 2 or resource.at != NULL or emitter is not None:
                    return 1
                at = _text(at, end, &resource)
            elif field == 2:
                if emitter is None:
                    emitter = self._emitter(&resource)
                    if emitter is None:
                        return 1
                if wire_type != 2:
                    return 1
                at = read_size(at, end, &size)
                if at == NULL or self._read_scope_spans(at, at + size, emitter, request):
                    return 1
                at += size
            else:
                at = skip(at, end, wire_type)
            if at == NULL:
                return 1
        return emitter is None and self._emitter(&resource) is None

    cdef int _read_scope_spans(self, Place at, Place end, Emitter emitter, bytes request) except -1:
        cdef Text text
        cdef size_t size = 0, rows = self._counts.rows
        cdef uint32_t field = 0, wire_type = 0
        cdef Scope scope = None
        memset(&text, 0, sizeof(text))
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 1:
                if wire_type != 2 or text.at != NULL or scope is not None:
                    return 1
                at = _text(at, end, &text)
            elif field == 2:
                if scope is None:
                    scope = self._scope(&text)
                    if scope is None:
                        return 1
                    self._plain.hold(request, scope.name, scope.version, emitter.resource)
                if wire_type != 2:
                    return 1
                at = read_size(at, end, &size)
                if at == NULL or self._read_span(at, at + size, scope, emitter):
                    return 1
                at += size
            else:
                at = skip(at, end, wire_type)
            if at == NULL:
                return 1
        if scope is not None:
            self._put_shared(scope, emitter, self._counts.rows - rows)
        return scope is None and self._scope(&text) is None

    cdef int _read_span(self, Place at, Place end, Scope scope, Emitter emitter) except -1:
        cdef SpanView* span = &self._span
        cdef Attributes attributes = span.attributes
        cdef Text part
        cdef uint64_t number = 0, start_ns = 0, end_ns = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0, tag
        cdef size_t size = 0
        memset(span, 0, sizeof(SpanView))
        attributes.size = 0
        span.attributes = attributes
        span.begin, span.end = at, end
        while at < end:
            tag = at[0]
            if tag == 0x4A:  # attributes
                at = read_size(at + 1, end, &size)
                if at == NULL or self._reader.read(at, at + size, &span.attributes):
                    return 1
                at += size
                continue
            if tag == 0x5A or tag == 0x6A:  # events, links
                at = read_size(at + 1, end, &size)
                if at == NULL:
                    return 1
                if tag == 0x5A:
                    span.events += 1
                    if self._read_event(at, at + size):
                        return 1
                else:
                    span.links += 1
                    if self._read_link(at, at + size):
                        return 1
                at += size
                continue
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field > 15 or (wire_type == 0 and (field == 10 or field == 12 or field == 14)):  # flags, dropped counts
                at = skip(at, end, wire_type)
                if at == NULL:
                    return 1
                continue
            if not _once(&seen, field):
                return 1
            if wire_type == 2:
                if field == 1:
                    at = _text(at, end, &span.trace_id)
                elif field == 2:
                    at = _text(at, end, &span.span_id)
                elif field == 3:
                    at = _text(at, end, &span.state)
                elif field == 4:
                    at = _text(at, end, &span.parent_span_id)
                elif field == 5:
                    at = _text(at, end, &span.name)
                elif field == 15:
                    at = _text(at, end, &part)
                    if at == NULL or self._read_status(part.at, at):
                        return 1
                else:
                    return 1
            elif wire_type == 0 and field == 6:
                at = read_varint(at, end, &number)
                span.kind = <int32_t>number
            elif wire_type == 1 and field == 7:
                at = read_fixed64(at, end, &start_ns)
            elif wire_type == 1 and field == 8:
                at = read_fixed64(at, end, &end_ns)
            else:
                return 1
            if at == NULL:
                return 1
        if span.trace_id.size != 16 or span.span_id.size != 8 or span.parent_span_id.size not in (0, 8):
            return 1
        if not (is_utf8(span.name.at, span.name.size) and is_utf8(span.state.at, span.state.size)):
            return 1
        span.start_ns = _time(start_ns)
        # A span that was never ended, or that ended before it began on a skewed clock, took no time.
        span.end_ns = max(_time(end_ns), span.start_ns)
        self._put_span(span, scope, emitter)
        return 0

    cdef int _put_span(self, SpanView* span, Scope scope, Emitter emitter) except -1:
        cdef Shape shape = self._reader.settle(&span.attributes)
        cdef Buffer* columns = self._columns
        cdef bytes element
        put_uint64(columns + START, <uint64_t>span.start_ns)
        put_uint64(columns + DURATION, <uint64_t>(span.end_ns - span.start_ns))
        put_hex(columns + TRACE_ID, span.trace_id.at, 16)
        put_hex(columns + SPAN_ID, span.span_id.at, 8)
        put_hex(columns + PARENT, span.parent_span_id.at, span.parent_span_id.size)
        put_sized(columns + STATE, <const void*>span.state.at, span.state.size)
        put_sized(columns + NAME, <const void*>span.name.at, span.name.size)
        put_sized(columns + MESSAGE, <const void*>span.message.at, span.message.size)
        element = _enum_element(_KIND_ELEMENTS, span.kind)
        put(columns + KIND, PyBytes_AS_STRING(element), PyBytes_GET_SIZE(element))
        element = _enum_element(_CODE_ELEMENTS, span.code)
        put(columns + CODE, PyBytes_AS_STRING(element), PyBytes_GET_SIZE(element))
        self._counts.attributes += span.attributes.size
        put_uint64(columns + ENDS, self._counts.attributes)
        put(columns + KEYS, PyBytes_AS_STRING(shape.keys), PyBytes_GET_SIZE(shape.keys))
        put_values(columns + VALUES, &span.attributes)
        put_uint64(columns + EVENT_ENDS, self._counts.events)
        put_uint64(columns + LINK_ENDS, self._counts.links)
        self._counts.rows += 1
        if not (scope.tells or shape.telling):
            return self._plain.add(span.begin, span.end, span.trace_id.at, span.span_id.at)
        fact = None if self._fact_reader is None else self._fact_reader.read(span, shape, scope, emitter)
        if fact is not None:
            self._facts.append(fact)
        else:
            self._telling.append(_span_of(span, scope, emitter))
        return 0

    cdef int _put_shared(self, Scope scope, Emitter emitter, size_t rows) except -1:
        """What all spans of a scope share."""
        cdef size_t row
        _put_times(&self._columns[<int>SERVICE], emitter.service, rows)
        _put_times(&self._columns[<int>SCOPE_NAME], scope.name_element, rows)
        _put_times(&self._columns[<int>SCOPE_VERSION], scope.version_element, rows)
        _put_times(&self._columns[<int>RESOURCE_KEYS], emitter.keys, rows)
        _put_times(&self._columns[<int>RESOURCE_VALUES], emitter.values, rows)
        for row in range(rows):
            self._counts.resource_attributes += emitter.width
            put_uint64(&self._columns[<int>RESOURCE_ENDS], self._counts.resource_attributes)
        return 0

    cdef int _read_status(self, Place at, Place end) except -1:
        cdef uint64_t number = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 2 and wire_type == 2 and _once(&seen, 2):
                at = _text(at, end, &self._span.message)
            elif field == 3 and wire_type == 0 and _once(&seen, 3):
                at = read_varint(at, end, &number)
                self._span.code = <int32_t>number
            elif field == 1 or field > 3:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        return not is_utf8(self._span.message.at, self._span.message.size)

    cdef int _read_event(self, Place at, Place end) except -1:
        cdef Text name
        cdef uint64_t time_ns = 0
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        memset(&name, 0, sizeof(name))
        self._part.size = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 3 and wire_type == 2:
                at = read_size(at, end, &size)
                if at == NULL or self._reader.read(at, at + size, &self._part):
                    return 1
                at += size
            elif field == 1 and wire_type == 1 and _once(&seen, 1):
                at = read_fixed64(at, end, &time_ns)
            elif field == 2 and wire_type == 2 and _once(&seen, 2):
                at = _text(at, end, &name)
            elif field > 3:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        if not is_utf8(name.at, name.size):
            return 1
        self._counts.events += 1
        put_uint64(&self._columns[<int>EVENT_TIME], <uint64_t>_time(time_ns))
        put_sized(&self._columns[<int>EVENT_NAME], <const void*>name.at, name.size)
        self._put_part(EVENT_MAP_ENDS, &self._counts.event_attributes)
        return 0

    cdef int _read_link(self, Place at, Place end) except -1:
        cdef Text texts[4]
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        memset(texts, 0, sizeof(texts))
        self._part.size = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 4 and wire_type == 2:
                at = read_size(at, end, &size)
                if at == NULL or self._reader.read(at, at + size, &self._part):
                    return 1
                at += size
            elif field < 4 and wire_type == 2 and _once(&seen, field):
                at = _text(at, end, &texts[field])
            elif field > 4:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        if not is_utf8(texts[3].at, texts[3].size):
            return 1
        self._counts.links += 1
        put_hex(&self._columns[<int>LINK_TRACE_ID], texts[1].at, texts[1].size)
        put_hex(&self._columns[<int>LINK_SPAN_ID], texts[2].at, texts[2].size)
        put_sized(&self._columns[<int>LINK_STATE], <const void*>texts[3].at, texts[3].size)
        self._put_part(LINK_MAP_ENDS, &self._counts.link_attributes)
        return 0

    cdef int _put_part(self, int ends, size_t* count) except -1:
        """The attributes of an event or a link; their keys and values are in the two columns after ``ends``."""
        cdef Shape shape = self._reader.settle(&self._part)
        count[0] += self._part.size
        put_uint64(&self._columns[ends], count[0])
        put(&self._columns[ends + 1], PyBytes_AS_STRING(shape.keys), PyBytes_GET_SIZE(shape.keys))
        put_values(&self._columns[ends + 2], &self._part)
        return 0

    cdef Emitter _emitter(self, Text* text):
        """The resource of these bytes; ``None`` where protobuf refuses them."""
        raw = PyBytes_FromStringAndSize(<const char*>text.at, text.size)
        found = self._emitters.get(raw)
        if found is None:
            try:
                made = emitter_of(raw)
            except DecodeError:
                return None
            found = Emitter(made.resource, made.service, made.keys, made.values)
            _remember(self._emitters, raw, found)
        return <Emitter>found

    cdef Scope _scope(self, Text* text):
        """The scope of these bytes; ``None`` where protobuf refuses them."""
        raw = PyBytes_FromStringAndSize(<const char*>text.at, text.size)
        found = self._scopes.get(raw)
        if found is None:
            try:
                made = InstrumentationScope.FromString(raw)
            except DecodeError:
                return None
            found = Scope(made.name, made.version, self._scope_tells(made.name))
            _remember(self._scopes, raw, found)
        return <Scope>found

    cdef int _end_block(self) except -1:
        """Write what the columns hold as a block, and empty them."""
        cdef size_t size
        cdef int column
        cdef uint8_t prefix[20]
        cdef uint8_t* at
        if not self._counts.rows:
            return 0
        size = write_varint(write_varint(prefix, len(_LAYOUT)), self._counts.rows) - prefix
        total = size
        for header, parts in _LAYOUT:
            total += len(header)
            for column in parts:
                total += self._columns[column].size
        block = PyBytes_FromStringAndSize(NULL, total)
        at = <uint8_t*>PyBytes_AS_STRING(block)
        memcpy(at, prefix, size)
        at += size
        for header, parts in _LAYOUT:
            memcpy(at, PyBytes_AS_STRING(header), PyBytes_GET_SIZE(header))
            at += PyBytes_GET_SIZE(header)
            for column in parts:
                if self._columns[column].size:
                    memcpy(at, self._columns[column].data, self._columns[column].size)
                    at += self._columns[column].size
        self._blocks.append(block)
        self._rows_before += self._counts.rows
        self._empty()
        return 0

    cdef int _empty(self) except -1:
        cdef int column
        for column in range(BUFFERS):
            self._columns[column].size = 0
            if self._columns[column].room > MAX_KEPT_BYTES:
                release(&self._columns[column])
        memset(&self._counts, 0, sizeof(Counts))
        return 0


cdef int _put_times(Buffer* column, bytes element, size_t times) except -1:
    cdef size_t index, size = PyBytes_GET_SIZE(element)
    cdef uint8_t* at = reserve(column, size * times)
    for index in range(times):
        memcpy(at + index * size, PyBytes_AS_STRING(element), size)
    column.size += size * times
    return 0


cdef int _remember(dict remembered, bytes raw, object made) except -1:
    if PyBytes_GET_SIZE(raw) <= MAX_REMEMBERED_BYTES:
        if len(remembered) >= MAX_REMEMBERED:
            remembered.clear()
        remembered[raw] = made
    return 0


cdef object _hex(Text* id):
    text = PyUnicode_New(2 * id.size, 127)
    if id.size:
        write_hex(<uint8_t*>PyUnicode_DATA(text), id.at, id.size)
    return text


cdef object _str(Text* text):
    return PyUnicode_DecodeUTF8(<const char*>text.at, text.size, NULL)


cdef object _span_of(SpanView* span, Scope scope, Emitter emitter):
    """The span, for what reads spans in Python."""
    cdef dict attributes = {}
    cdef size_t index
    for index in range(span.attributes.size):
        attributes[<object>span.attributes.items[index].name] = value_of(span.attributes.items + index)
    events, links = [], []
    if span.events or span.links:
        message = trace_pb2.Span.FromString(PyBytes_FromStringAndSize(<const char*>span.begin, span.end - span.begin))
        events, links = [event_of(event) for event in message.events], [link_of(link) for link in message.links]
    return Span(
        _hex(&span.trace_id),
        _hex(&span.span_id),
        _hex(&span.parent_span_id),
        _str(&span.name),
        span.kind,
        span.start_ns,
        span.end_ns,
        span.code,
        _str(&span.message),
        _str(&span.state),
        attributes,
        events,
        links,
        scope.name,
        scope.version,
        emitter.resource,
    )
