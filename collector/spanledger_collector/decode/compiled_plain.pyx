# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Plain spans by their place, of which nothing is made before it is asked for: most batches never ask."""

from collections.abc import Mapping
from functools import partial

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from spanledger_collector.decode.buffer cimport write_hex
from spanledger_collector.wire cimport Place

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from spanledger_collector.decode.spans import span_of

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


cdef inline int _digit(char of) noexcept nogil:
    """The value of a digit as ids are written; 16 for what is none."""
    if 48 <= of <= 57:
        return of - 48
    if 97 <= of <= 102:
        return of - 87
    return 16


cdef int _read_hex(object text, uint8_t* into, Py_ssize_t size) except -1:
    """The id that ``text`` says; 1 where it is none of this size."""
    cdef Py_ssize_t length = 0, index
    cdef const char* digits
    cdef int high, low
    if not isinstance(text, str):
        return 1
    digits = PyUnicode_AsUTF8AndSize(text, &length)
    if length != 2 * size:
        return 1
    for index in range(size):
        high, low = _digit(digits[2 * index]), _digit(digits[2 * index + 1])
        if high > 15 or low > 15:
            return 1
        into[index] = <uint8_t>(high << 4 | low)
    return 0


# Differs from process to process: nobody can choose ids that meet in one slot.
cdef uint64_t _SEED = <uint64_t>hash("places")


cdef inline uint64_t _hash(const uint8_t* ids) noexcept nogil:
    cdef uint64_t words[3]
    cdef uint64_t found = _SEED
    cdef int index
    memcpy(words, ids, 24)
    for index in range(3):
        # By 2**64 over the golden ratio, as usual for mixing.
        found = (found ^ words[index]) * <uint64_t>0x9E3779B97F4A7C15
        found ^= found >> 32
    return found


cdef class PlainSpans:
    """Maps trace id and span id to a maker of the span; of a place that was said twice the last holds."""

    def __init__(self):
        self._kept = []
        self._groups = []
        self._more = {}

    def __dealloc__(self):
        free(self._spans)
        free(self._slots)

    def hold(self, request, scope_name, scope_version, resource):
        """What follows is of this scope, and lies in this request."""
        if not self._kept or self._kept[len(self._kept) - 1] is not request:
            self._kept.append(request)
        self._groups.append((scope_name, scope_version, resource))

    cdef int add(self, Place begin, Place end, Place trace_id, Place span_id) except -1:
        """Take the span that lies here, of what ``hold`` said last."""
        cdef PlainSpan* spans
        if self._size == self._room:
            spans = <PlainSpan*>realloc(self._spans, (2 * self._room + 256) * sizeof(PlainSpan))
            if spans == NULL:
                raise MemoryError
            self._spans, self._room = spans, 2 * self._room + 256
        spans = self._spans + self._size
        spans.begin, spans.end, spans.group = begin, end, <uint32_t>(len(self._groups) - 1)
        memcpy(spans.ids, trace_id, 16)
        memcpy(spans.ids + 16, span_id, 8)
        self._size += 1
        return 0

    def update(self, more):
        """Take plain spans of the pure decoder."""
        self._more.update(more)

    @property
    def marks(self):
        """What ``cut`` needs to forget all that is taken from now on."""
        return self._size, len(self._kept), len(self._groups)

    def cut(self, marks):
        """Go back to former ``marks``; nothing was asked for since."""
        self._size, kept, groups = marks
        del self._kept[kept:]
        del self._groups[groups:]

    def among(self, places):
        """Those of ``places`` (a set or what has the keys of a dict) that are here."""
        cdef set found = {place for place in self._more if place in places} if self._more else set()
        cdef size_t number
        if <size_t>len(places) <= self._size:
            found.update([place for place in places if self._of(place)])
            return found
        for number in range(self._size):
            place = self._place(number)
            if place in places:
                found.add(place)
        return found

    def span(self, size_t number):
        """The span of this number."""
        if number >= self._size:
            raise IndexError(number)
        cdef PlainSpan* found = self._spans + number
        scope_name, scope_version, resource = self._groups[found.group]
        content = PyBytes_FromStringAndSize(<const char*>found.begin, found.end - found.begin)
        return span_of(SpanMessage.FromString(content), resource, scope_name, scope_version)

    def __len__(self):
        return sum(1 for _ in self)

    def __iter__(self):
        cdef size_t number
        self._index()
        for number in range(self._size):
            place = self._place(number)
            if place not in self._more and self._of(place) == number + 1:
                yield place
        yield from self._more

    def __contains__(self, place):
        return place in self._more or self._of(place) != 0

    def __getitem__(self, place):
        if place in self._more:
            return self._more[place]
        cdef size_t number = self._of(place)
        if number == 0:
            raise KeyError(place)
        return partial(self.span, number - 1)

    keys = Mapping.keys
    values = Mapping.values
    items = Mapping.items
    get = Mapping.get

    cdef object _place(self, size_t number):
        cdef const uint8_t* ids = self._spans[number].ids
        trace_id, span_id = PyUnicode_New(32, 127), PyUnicode_New(16, 127)
        write_hex(<uint8_t*>PyUnicode_DATA(trace_id), ids, 16)
        write_hex(<uint8_t*>PyUnicode_DATA(span_id), ids + 16, 8)
        return trace_id, span_id

    cdef size_t _of(self, object place) except? 0:
        """One more than the number of the last span of this place; 0 for none."""
        cdef uint8_t ids[24]
        cdef size_t slot
        if not isinstance(place, tuple) or len(place) != 2 or not self._size:
            return 0
        if _read_hex(place[0], ids, 16) or _read_hex(place[1], ids + 16, 8):
            return 0
        self._index()
        slot = _hash(ids) & (self._slot_count - 1)
        while self._slots[slot]:
            if memcmp(self._spans[self._slots[slot] - 1].ids, ids, 24) == 0:
                return self._slots[slot]
            slot = (slot + 1) & (self._slot_count - 1)
        return 0

    cdef int _index(self) except -1:
        """Lay out the places for ``_of``, once, when somebody asks: nothing is taken after that."""
        cdef size_t count = 64, number, slot
        if self._slots != NULL or not self._size:
            return 0
        while count < 2 * self._size:
            count *= 2
        self._slots = <uint32_t*>calloc(count, sizeof(uint32_t))
        if self._slots == NULL:
            raise MemoryError
        self._slot_count = count
        for number in range(self._size):
            slot = _hash(self._spans[number].ids) & (count - 1)
            while self._slots[slot] and memcmp(self._spans[self._slots[slot] - 1].ids, self._spans[number].ids, 24):
                slot = (slot + 1) & (count - 1)
            self._slots[slot] = <uint32_t>(number + 1)
        return 0


Mapping.register(PlainSpans)
