# The columns of ``otel_traces`` while they are filled.

from libc.stdint cimport int64_t

from spanledger_collector.decode.buffer cimport Buffer
from spanledger_collector.decode.compiled_attributes cimport Attributes, Shape
from spanledger_collector.decode.compiled_span cimport Emitter, Scope, SpanView, Text

cdef enum Column:
    START, DURATION, TRACE_ID, SPAN_ID, PARENT, STATE, NAME, KIND, SERVICE, SCOPE_NAME, SCOPE_VERSION, CODE, MESSAGE
    ENDS, KEYS, VALUES
    EVENT_ENDS, EVENT_TIME, EVENT_NAME, EVENT_MAP_ENDS, EVENT_KEYS, EVENT_VALUES
    LINK_ENDS, LINK_TRACE_ID, LINK_SPAN_ID, LINK_STATE, LINK_MAP_ENDS, LINK_KEYS, LINK_VALUES
    RESOURCE_ENDS, RESOURCE_KEYS, RESOURCE_VALUES
    BUFFERS

ctypedef struct Counts:
    size_t rows
    size_t attributes
    size_t events
    size_t event_attributes
    size_t links
    size_t link_attributes
    size_t resource_attributes


cdef class Columns:
    cdef Buffer _buffers[<int>BUFFERS]
    cdef size_t _sizes[<int>BUFFERS]
    cdef Counts counts
    cdef Counts _counts
    cdef int mark(self) except -1
    cdef int rewind(self) except -1
    cdef int put_span(self, SpanView* span, Shape shape) except -1
    cdef int put_event(self, int64_t time_ns, Text* name, Attributes* attributes, Shape shape) except -1
    cdef int put_link(self, Text* ids, Text* state, Attributes* attributes, Shape shape) except -1
    cdef int put_shared(self, Scope scope, Emitter emitter, size_t rows) except -1
    cdef int _put_map(self, int ends, size_t* count, Attributes* attributes, Shape shape) except -1
    cdef bytes take(self)
    cdef int empty(self) except -1
