# The plain spans of a batch, as where they lie in the requests.

from libc.stdint cimport uint8_t, uint32_t

from spanledger_collector.wire cimport Place

ctypedef struct PlainSpan:
    Place begin
    Place end
    # Trace id and span id.
    uint8_t ids[24]
    uint32_t group


cdef class PlainSpans:
    cdef PlainSpan* _spans
    cdef size_t _size
    cdef size_t _room
    cdef list _kept
    cdef list _groups
    cdef dict _more
    cdef uint32_t* _slots
    cdef size_t _slot_count
    cdef int add(self, Place begin, Place end, Place trace_id, Place span_id) except -1
    cdef size_t _of(self, object place) except? 0
    cdef object _place(self, size_t number)
    cdef int _index(self) except -1
