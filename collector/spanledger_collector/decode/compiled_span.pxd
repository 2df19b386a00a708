# A span while it is decoded, and who may read a fact from it.

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t

from spanledger_collector.decode.compiled_attributes cimport Attributes, Shape
from spanledger_collector.wire cimport Place

ctypedef struct Text:
    Place at
    size_t size

ctypedef struct SpanView:
    Place begin
    Place end
    Text trace_id
    Text span_id
    Text parent_span_id
    Text name
    Text state
    Text message
    int32_t kind
    int32_t code
    int64_t start_ns
    int64_t end_ns
    size_t events
    size_t links
    Attributes attributes


cdef class Scope:
    cdef readonly str name
    cdef readonly str version
    cdef readonly bint tells
    cdef bytes name_element
    cdef bytes version_element


cdef class Emitter:
    cdef readonly object resource
    cdef bytes service
    cdef bytes keys
    cdef bytes values
    cdef size_t width
    # What the normaliser remembers of the resource.
    cdef public object said


cdef class FactReader:
    cdef object read(self, SpanView* span, Shape shape, Scope scope, Emitter emitter)


cdef class Sources:
    cdef object _scope_tells
    cdef dict _scopes
    cdef dict _emitters
    cdef Emitter emitter(self, Text* text)
    cdef Scope scope(self, Text* text)


cdef object span_of(SpanView* span, Scope scope, Emitter emitter)
