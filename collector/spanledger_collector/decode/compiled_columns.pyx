# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``columns``: buffers that grow, copied into one block when it ends."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from spanledger_collector.decode.buffer cimport (
    Buffer, put, put_hex, put_sized, put_uint64, release, reserve, write_varint,
)
from spanledger_collector.decode.compiled_attributes cimport Attributes, Shape, put_values
from spanledger_collector.decode.compiled_span cimport Emitter, Scope, SpanView, Text

from spanledger_collector.decode.columns import COLUMNS, repeated
from spanledger_collector.decode.otel_traces import KINDS, STATUS_CODES
from spanledger_collector.native import sized

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
    # What a column may keep of memory between batches.
    MAX_KEPT_BYTES = 16777216


cdef inline bytes _enum_element(tuple elements, int32_t number):
    return <bytes>elements[number if 0 <= number < len(elements) else 0]


cdef class Columns:
    """Some rows. What was put since ``mark`` can be taken back as one."""

    def __dealloc__(self):
        cdef int column
        for column in range(<int>BUFFERS):
            release(&self._buffers[column])

    cdef int mark(self) except -1:
        """Remember where the columns end."""
        cdef int column
        for column in range(<int>BUFFERS):
            self._sizes[column] = self._buffers[column].size
        self._counts = self.counts
        return 0

    cdef int rewind(self) except -1:
        """Forget what was put since ``mark``."""
        cdef int column
        for column in range(<int>BUFFERS):
            self._buffers[column].size = self._sizes[column]
        self.counts = self._counts
        return 0

    cdef int put_span(self, SpanView* span, Shape shape) except -1:
        """Append a row, but for what it shares with others; its events and links were put before."""
        cdef Buffer* columns = self._buffers
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
        self._put_map(ENDS, &self.counts.attributes, &span.attributes, shape)
        put_uint64(columns + EVENT_ENDS, self.counts.events)
        put_uint64(columns + LINK_ENDS, self.counts.links)
        self.counts.rows += 1
        return 0

    cdef int put_event(self, int64_t time_ns, Text* name, Attributes* attributes, Shape shape) except -1:
        """Append an event of the row that is put next."""
        self.counts.events += 1
        put_uint64(&self._buffers[<int>EVENT_TIME], <uint64_t>time_ns)
        put_sized(&self._buffers[<int>EVENT_NAME], <const void*>name.at, name.size)
        return self._put_map(EVENT_MAP_ENDS, &self.counts.event_attributes, attributes, shape)

    cdef int put_link(self, Text* ids, Text* state, Attributes* attributes, Shape shape) except -1:
        """Append a link of the row that is put next, by its trace id and span id."""
        self.counts.links += 1
        put_hex(&self._buffers[<int>LINK_TRACE_ID], ids[0].at, ids[0].size)
        put_hex(&self._buffers[<int>LINK_SPAN_ID], ids[1].at, ids[1].size)
        put_sized(&self._buffers[<int>LINK_STATE], <const void*>state.at, state.size)
        return self._put_map(LINK_MAP_ENDS, &self.counts.link_attributes, attributes, shape)

    cdef int put_shared(self, Scope scope, Emitter emitter, size_t rows) except -1:
        """What all spans of a scope share."""
        cdef size_t row
        _put_times(&self._buffers[<int>SERVICE], emitter.service, rows)
        _put_times(&self._buffers[<int>SCOPE_NAME], scope.name_element, rows)
        _put_times(&self._buffers[<int>SCOPE_VERSION], scope.version_element, rows)
        _put_times(&self._buffers[<int>RESOURCE_KEYS], emitter.keys, rows)
        _put_times(&self._buffers[<int>RESOURCE_VALUES], emitter.values, rows)
        for row in range(rows):
            self.counts.resource_attributes += emitter.width
            put_uint64(&self._buffers[<int>RESOURCE_ENDS], self.counts.resource_attributes)
        return 0

    cdef int _put_map(self, int ends, size_t* count, Attributes* attributes, Shape shape) except -1:
        """Append a map; its keys and values are in the two columns after ``ends``."""
        count[0] += attributes.size
        put_uint64(&self._buffers[ends], count[0])
        put(&self._buffers[ends + 1], PyBytes_AS_STRING(shape.keys), PyBytes_GET_SIZE(shape.keys))
        return put_values(&self._buffers[ends + 2], attributes)

    cdef bytes take(self):
        """The rows as one block, and no rows are left; nothing for none."""
        cdef size_t size
        cdef int column
        cdef uint8_t prefix[20]
        cdef uint8_t* at
        if not self.counts.rows:
            return b""
        size = write_varint(write_varint(prefix, len(_LAYOUT)), self.counts.rows) - prefix
        total = size
        for header, parts in _LAYOUT:
            total += len(header)
            for column in parts:
                total += self._buffers[column].size
        block = PyBytes_FromStringAndSize(NULL, total)
        at = <uint8_t*>PyBytes_AS_STRING(block)
        memcpy(at, prefix, size)
        at += size
        for header, parts in _LAYOUT:
            memcpy(at, PyBytes_AS_STRING(header), PyBytes_GET_SIZE(header))
            at += PyBytes_GET_SIZE(header)
            for column in parts:
                if self._buffers[column].size:
                    memcpy(at, self._buffers[column].data, self._buffers[column].size)
                    at += self._buffers[column].size
        self.empty()
        return block

    cdef int empty(self) except -1:
        """Forget all rows."""
        cdef int column
        for column in range(<int>BUFFERS):
            self._buffers[column].size = 0
            if self._buffers[column].room > MAX_KEPT_BYTES:
                release(&self._buffers[column])
        memset(&self.counts, 0, sizeof(Counts))
        return 0


cdef int _put_times(Buffer* column, bytes element, size_t times) except -1:
    cdef size_t index, size = PyBytes_GET_SIZE(element)
    cdef uint8_t* at = reserve(column, size * times)
    for index in range(times):
        memcpy(at + index * size, PyBytes_AS_STRING(element), size)
    column.size += size * times
    return 0
