# cython: language_level=3
"""The compiled twin of ``seen``: the same bits for the same keys."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.keys import response_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import FACT_FIELDS

include "../checksum.pxi"

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    unsigned long long PyLong_AsUnsignedLongLong(object number) except? 18446744073709551615ULL

cdef extern from *:
    """
    static uint32_t spl_crc_digits(uint32_t crc, int64_t number) {
        char digits[24];
        int at = 24;
        uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
        do { digits[--at] = (char)('0' + left % 10); left /= 10; } while (left);
        if (number < 0) digits[--at] = '-';
        return spl_crc(crc, digits + at, 24 - at);
    }

    static uint32_t spl_crc_key(char letter, uint64_t key) {
        char name[24];
        int at = 24;
        name[--at] = '/';
        do { name[--at] = (char)('0' + key % 10); key /= 10; } while (key);
        name[--at] = letter;
        return spl_crc(0xFFFFFFFFu, name + at, 24 - at);
    }
    """
    uint32_t crc_of_digits "spl_crc_digits"(uint32_t crc, int64_t number) noexcept nogil
    uint32_t crc_of_key "spl_crc_key"(char letter, uint64_t key) noexcept nogil

cdef int _TRACE_ID = FACT_FIELDS.index("trace_id")
cdef int _RESPONSE_ID = FACT_FIELDS.index("response_id")
cdef int _STARTED_AT_NS = FACT_FIELDS.index("started_at_ns")
cdef int _ENDED_AT_NS = FACT_FIELDS.index("ended_at_ns")
cdef int _FIELDS = len(FACT_FIELDS)
cdef int _MATCH_KEY = MatchWindow._fields.index("match_key")
cdef int _START_NS = MatchWindow._fields.index("start_ns")
cdef int _END_NS = MatchWindow._fields.index("end_ns")
cdef int _UNIDENTIFIED = MatchWindow._fields.index("unidentified")
cdef object _TOLERANCE_NS = CONTAINMENT_TOLERANCE_NS


cdef class Bits:
    """The bits of ``seen.SeenKeys``, and where in them a key is."""

    cdef bytearray _content
    cdef uint64_t *_words
    cdef int _spare_bits
    cdef int _slice_shift
    cdef int _max_slices

    def __init__(self, bytearray content not None, int spare_bits, int slice_shift, int max_slices):
        if PyByteArray_GET_SIZE(content) * 8 != 1 << (32 - spare_bits):
            raise ValueError("the bits are not as many as a checksum addresses")
        self._content = content
        self._words = <uint64_t *>PyByteArray_AS_STRING(content)
        self._spare_bits, self._slice_shift, self._max_slices = spare_bits, slice_shift, max_slices

    def having(self, str letter not None, names):
        """Those of ``names``, all of one kind of key, that may be there."""
        cdef list found = []
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(letter, &size)
        cdef uint32_t begun = crc_of(0xFFFFFFFFu, text, size)
        for name in names:
            text = PyUnicode_AsUTF8AndSize(name, &size)
            if self._has(crc_of(begun, text, size)):
                found.append(name)
        return found

    def windows(self, windows):
        """Those of the windows that a fact may match."""
        return [window for window in windows if self._may_match(window)]

    def add(self, facts, match_keys):
        """Remember the keys of facts; returns the traces, responses and names that are new."""
        cdef Py_ssize_t size = 0
        cdef const char *text
        cdef object fact, key, response_id, trace_id
        cdef set new_traces = set(), new_responses = set(), new_names = set()
        for fact, key in zip(facts, match_keys, strict=True):
            if not isinstance(fact, tuple) or PyTuple_GET_SIZE(fact) != _FIELDS:
                raise TypeError("a fact is wanted")
            trace_id = <object>PyTuple_GET_ITEM(fact, _TRACE_ID)
            text = PyUnicode_AsUTF8AndSize(trace_id, &size)
            if self._set(crc_of(crc_of(0xFFFFFFFFu, b"t", 1), text, size)):
                new_traces.add(trace_id)
            response_id = <object>PyTuple_GET_ITEM(fact, _RESPONSE_ID)
            if response_id:
                text = PyUnicode_AsUTF8AndSize(response_id, &size)
                if self._set(crc_of(crc_of(0xFFFFFFFFu, b"r", 1), text, size)):
                    new_responses.add(response_id)
            if key:
                self._add_call(fact, PyLong_AsUnsignedLongLong(key), bool(response_key(response_id)), new_names)
        return new_traces, new_responses, new_names

    cdef int _add_call(self, object fact, uint64_t key, bint is_identified, set new_names) except -1:
        cdef int64_t first = <object>PyTuple_GET_ITEM(fact, _STARTED_AT_NS) >> self._slice_shift
        cdef int64_t last = <object>PyTuple_GET_ITEM(fact, _ENDED_AT_NS) >> self._slice_shift
        cdef uint32_t begun = crc_of_key(c"i" if is_identified else c"m", key)
        cdef int64_t number
        if last - first >= self._max_slices or last < first:
            if self._set(begun) and not is_identified:
                new_names.add(f"m{key}/")
            return 0
        for number in range(first, last + 1):
            if self._set(crc_of_digits(begun, number)) and not is_identified:
                new_names.add(f"m{key}/{number}")
        return 0

    cdef bint _may_match(self, object window) except -1:
        cdef uint64_t key = PyLong_AsUnsignedLongLong(<object>PyTuple_GET_ITEM(window, _MATCH_KEY))
        cdef int64_t first = (<object>PyTuple_GET_ITEM(window, _START_NS) - _TOLERANCE_NS) >> self._slice_shift
        cdef int64_t last = (<object>PyTuple_GET_ITEM(window, _END_NS) + _TOLERANCE_NS) >> self._slice_shift
        cdef bint is_unidentified = <object>PyTuple_GET_ITEM(window, _UNIDENTIFIED)
        return (
            last - first >= self._max_slices
            or last < first
            or self._has_slices(crc_of_key(c"m", key), first, last)
            or (not is_unidentified and self._has_slices(crc_of_key(c"i", key), first, last))
        )

    cdef bint _has_slices(self, uint32_t begun, int64_t first, int64_t last) noexcept:
        cdef int64_t number
        if self._has(begun):
            return True
        for number in range(first, last + 1):
            if self._has(crc_of_digits(begun, number)):
                return True
        return False

    cdef inline bint _has(self, uint32_t crc) noexcept:
        cdef uint32_t position = ~crc >> self._spare_bits
        return self._words[position // 64] >> (position % 64) & 1

    cdef inline bint _set(self, uint32_t crc) noexcept:
        """Whether it was not set before."""
        cdef uint32_t position = ~crc >> self._spare_bits
        cdef uint64_t bit = <uint64_t>1 << (position % 64)
        cdef bint is_new = not self._words[position // 64] & bit
        self._words[position // 64] |= bit
        return is_new
