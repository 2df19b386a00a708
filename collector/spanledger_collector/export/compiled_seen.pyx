# cython: language_level=3
"""The compiled twin of ``seen``: the same bits for the same keys."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING
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
    /* A name in the making; the longest but those of responses and traces, which are given as they are. */
    typedef struct { char text[56]; int size; } spl_name;

    static void spl_put_digits(spl_name *name, uint64_t number) {
        char digits[24];
        int at = 24;
        do { digits[--at] = (char)('0' + number % 10); number /= 10; } while (number);
        for (; at < 24; at++) name->text[name->size++] = digits[at];
    }

    static void spl_begin(spl_name *name, char letter, uint64_t key) {
        name->text[0] = letter;
        name->size = 1;
        spl_put_digits(name, key);
        name->text[name->size++] = '/';
    }

    static void spl_put_number(spl_name *name, int64_t number) {
        if (number < 0) name->text[name->size++] = '-';
        spl_put_digits(name, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    }

    /* The checksum of a text read backwards, and of a letter that stands before it. */
    static uint32_t spl_crc_backwards(const char *text, size_t size, char letter) {
        uint32_t crc = 0xFFFFFFFFu;
        while (size) crc = spl_crc_of[0][(crc ^ (unsigned char)text[--size]) & 255] ^ crc >> 8;
        if (letter) crc = spl_crc_of[0][(crc ^ (unsigned char)letter) & 255] ^ crc >> 8;
        return ~crc;
    }
    """
    ctypedef struct Name "spl_name":
        char *text
        int size
    void begin "spl_begin"(Name *name, char letter, uint64_t key) noexcept nogil
    void put_number "spl_put_number"(Name *name, int64_t number) noexcept nogil
    uint32_t crc_backwards "spl_crc_backwards"(const char *text, size_t size, char letter) noexcept nogil

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
    cdef int[4] _bit_shifts
    cdef int _slice_shift
    cdef int _max_slices

    def __init__(
        self, bytearray content not None, int spare_bits, tuple bit_shifts not None, int slice_shift, int max_slices
    ):
        if PyByteArray_GET_SIZE(content) != 8 << (32 - spare_bits):
            raise ValueError("the words are not as many as a checksum addresses")
        self._content = content
        self._words = <uint64_t *>PyByteArray_AS_STRING(content)
        self._bit_shifts = bit_shifts
        self._spare_bits, self._slice_shift, self._max_slices = spare_bits, slice_shift, max_slices

    def remember(self, bytes words not None):
        """Set the bits of words, each given as its number and its bits, in 4 and 8 bytes, the lowest first."""
        cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(words)
        cdef const unsigned char *end = at + len(words) // 12 * 12
        cdef uint64_t bits
        cdef uint32_t number
        cdef int byte
        while at < end:
            number, bits = 0, 0
            for byte in range(4):
                number |= <uint32_t>at[byte] << 8 * byte
            for byte in range(8):
                bits |= <uint64_t>at[4 + byte] << 8 * byte
            if number >> (32 - self._spare_bits):
                raise ValueError("there are not so many words")
            self._words[number] |= bits
            at += 12

    def having(self, str letter not None, names):
        """Those of ``names``, all of one kind of key, that may be there."""
        cdef list found = []
        cdef Py_ssize_t size = 0
        cdef const char *text
        cdef char kind = <char>ord(letter)
        for name in names:
            text = PyUnicode_AsUTF8AndSize(name, &size)
            if self._has(text, size, kind):
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
        cdef object last_trace_id = None
        cdef set new_traces = set(), new_responses = set(), new_names = set()
        for fact, key in zip(facts, match_keys, strict=True):
            if not isinstance(fact, tuple) or PyTuple_GET_SIZE(fact) != _FIELDS:
                raise TypeError("a fact is wanted")
            trace_id = <object>PyTuple_GET_ITEM(fact, _TRACE_ID)
            # The spans of a trace come after one another.
            if trace_id != last_trace_id:
                last_trace_id = trace_id
                text = PyUnicode_AsUTF8AndSize(trace_id, &size)
                if self._set(text, size, c"t"):
                    new_traces.add(trace_id)
            response_id = <object>PyTuple_GET_ITEM(fact, _RESPONSE_ID)
            if response_id:
                text = PyUnicode_AsUTF8AndSize(response_id, &size)
                if self._set(text, size, c"r"):
                    new_responses.add(response_id)
            if key:
                self._add_call(fact, PyLong_AsUnsignedLongLong(key), bool(response_key(response_id)), new_names)
        return new_traces, new_responses, new_names

    cdef int _add_call(self, object fact, uint64_t key, bint is_identified, set new_names) except -1:
        cdef int64_t first = <object>PyTuple_GET_ITEM(fact, _STARTED_AT_NS) >> self._slice_shift
        cdef int64_t last = <object>PyTuple_GET_ITEM(fact, _ENDED_AT_NS) >> self._slice_shift
        cdef Name name
        cdef int64_t number
        cdef int begun
        begin(&name, c"i" if is_identified else c"m", key)
        if last - first >= self._max_slices or last < first:
            if self._set(name.text, name.size, 0) and not is_identified:
                new_names.add(f"m{key}/")
            return 0
        begun = name.size
        for number in range(first, last + 1):
            name.size = begun
            put_number(&name, number)
            if self._set(name.text, name.size, 0) and not is_identified:
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
            or self._has_slices(c"m", key, first, last)
            or (not is_unidentified and self._has_slices(c"i", key, first, last))
        )

    cdef bint _has_slices(self, char letter, uint64_t key, int64_t first, int64_t last) noexcept:
        cdef Name name
        cdef int64_t number
        cdef int begun
        begin(&name, letter, key)
        if self._has(name.text, name.size, 0):
            return True
        begun = name.size
        for number in range(first, last + 1):
            name.size = begun
            put_number(&name, number)
            if self._has(name.text, name.size, 0):
                return True
        return False

    cdef inline uint64_t *_word(self, const char *text, Py_ssize_t size, char letter) noexcept:
        cdef uint32_t crc = 0xFFFFFFFFu
        if letter:
            crc = crc_of(crc, &letter, 1)
        return self._words + (~crc_of(crc, text, size) >> self._spare_bits)

    cdef inline uint64_t _bits(self, const char *text, Py_ssize_t size, char letter) noexcept:
        cdef uint32_t backwards = crc_backwards(text, size, letter)
        cdef uint64_t one = 1
        cdef uint64_t bits = 0
        cdef int number
        for number in range(4):
            bits |= one << (backwards >> self._bit_shifts[number] & 63)
        return bits

    cdef inline bint _has(self, const char *text, Py_ssize_t size, char letter) noexcept:
        """Whether a name, of a ``letter`` (if there is one) and a text, may be there."""
        cdef uint64_t word = self._word(text, size, letter)[0]
        if word == 0:
            return False
        cdef uint64_t bits = self._bits(text, size, letter)
        return word & bits == bits

    cdef inline bint _set(self, const char *text, Py_ssize_t size, char letter) noexcept:
        """Whether it was certainly not there before."""
        cdef uint64_t *word = self._word(text, size, letter)
        cdef uint64_t bits = self._bits(text, size, letter)
        cdef bint is_new = word[0] & bits != bits
        word[0] |= bits
        return is_new
