# cython: language_level=3
"""The compiled twin of ``keys``: the same keys of a fact, byte for byte.

What is rare (dialects whose copies agree on something else, numbers of more than 64 bits, short response ids) is left
to the functions there.
"""

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_Realloc
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t, uint32_t, uint64_t
from spanledger_collector.merge import keys as pure
from spanledger_collector.model import FACT_FIELDS

include "../checksum.pxi"
include "digest.pxi"

cdef extern from *:
    """
    /* As marshal writes them: a letter, then numbers in little-endian order. Each returns where the next begins. */
    static char *spl_put_32(char *at, char kind, uint32_t number) {
        *at++ = kind;
        for (int byte = 0; byte < 4; byte++) *at++ = (char)(number >> 8 * byte);
        return at;
    }

    static char *spl_put_real(char *at, uint64_t bits) {
        *at++ = 'g';
        for (int byte = 0; byte < 8; byte++) *at++ = (char)(bits >> 8 * byte);
        return at;
    }

    /* What has more than 32 bits is written in digits of fifteen, the lowest first; the count of them has the sign. */
    static char *spl_put_integer(char *at, long long integer) {
        if (integer >= INT32_MIN && integer <= INT32_MAX) return spl_put_32(at, 'i', (uint32_t)(int32_t)integer);
        uint64_t left = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
        int32_t digits = 0;
        for (uint64_t rest = left; rest; rest >>= 15) digits++;
        at = spl_put_32(at, 'l', (uint32_t)(integer < 0 ? -digits : digits));
        for (; left; left >>= 15) { *at++ = (char)left; *at++ = (char)(left >> 8 & 127); }
        return at;
    }
    """
    char *put_32 "spl_put_32"(char *at, char kind, uint32_t number) noexcept nogil
    char *put_real "spl_put_real"(char *at, uint64_t bits) noexcept nogil
    char *put_integer "spl_put_integer"(char *at, long long integer) noexcept nogil

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyUnicode_CheckExact(object text)
    bint PyFloat_CheckExact(object number)
    double PyFloat_AS_DOUBLE(object number)
    object PyUnicode_FromStringAndSize(const char *text, Py_ssize_t size)

cdef int _TRACE_ID = FACT_FIELDS.index("trace_id")
cdef int _SPAN_ID = FACT_FIELDS.index("span_id")
cdef int _SERVICE = FACT_FIELDS.index("service")
cdef int _INSTANCE = FACT_FIELDS.index("instance")
cdef int _DIALECT = FACT_FIELDS.index("dialect")
cdef int _KIND = FACT_FIELDS.index("kind")
cdef int _STATUS = FACT_FIELDS.index("status")
cdef int _REQUEST_MODEL = FACT_FIELDS.index("request_model")
cdef int _RESPONSE_MODEL = FACT_FIELDS.index("response_model")
cdef int _RESPONSE_ID = FACT_FIELDS.index("response_id")
cdef int _INPUT_TOKENS = FACT_FIELDS.index("input_tokens")
cdef int _OUTPUT_TOKENS = FACT_FIELDS.index("output_tokens")
cdef int _MONEY = FACT_FIELDS.index("reported_cost_usd")
cdef Py_ssize_t _FIELDS = len(FACT_FIELDS)

cdef dict _agreed_by = pure._AGREED_BY
cdef object _pure_response_key = pure.response_key
cdef object _pure_model_stem = pure.model_stem
cdef Py_ssize_t _LONGEST_WEAK_ID = 15
"""Of ``chatcmpl``, a dash and six digits: what is longer is an identity."""

cdef dict _stems = {}
"""Model names come from clients: the memory of them is bounded, and starts anew when it is full."""
cdef Py_ssize_t _STEMS_REMEMBERED = 4096


cdef int _LONGEST_NUMBER = 16
"""Of a letter, a count and the digits of 64 bits: 15 bytes."""


cdef struct Buffer:
    char *start
    Py_ssize_t size
    Py_ssize_t room


cdef Buffer _scratch = [NULL, 0, 0]
"""What is written before it is hashed. Nothing from the first byte to the last runs Python code, so that threads, which
take turns there, cannot meet in it."""


cdef int _make_room(Py_ssize_t more) except -1:
    cdef Py_ssize_t room = _scratch.room
    cdef char *start
    if _scratch.size + more <= room:
        return 0
    room = max(4096, 2 * room, 2 * (_scratch.size + more))
    start = <char *>PyMem_Realloc(_scratch.start, room)
    if start == NULL:
        raise MemoryError
    _scratch.start, _scratch.room = start, room
    return 0


cdef inline int _put(const char *text, Py_ssize_t size) except -1:
    _make_room(size)
    memcpy(_scratch.start + _scratch.size, text, size)
    _scratch.size += size
    return 0


cdef inline int _put_text(object text) except -1:
    cdef Py_ssize_t size = 0
    cdef const char *content = PyUnicode_AsUTF8AndSize(text, &size)
    return _put(content, size)


cdef inline int _put_count(long long number) except -1:
    cdef char digits[24]
    cdef int at = 24
    cdef unsigned long long left = <unsigned long long>number if number >= 0 else 0 - <unsigned long long>number
    while True:
        at -= 1
        digits[at] = 48 + left % 10
        left //= 10
        if left == 0:
            break
    if number < 0:
        at -= 1
        digits[at] = 45
    return _put(digits + at, 24 - at)


cdef inline object _field(object fact, int number):
    return <object>PyTuple_GET_ITEM(fact, number)


cdef inline int _check(object fact) except -1:
    if not isinstance(fact, tuple) or PyTuple_GET_SIZE(fact) != _FIELDS:
        raise TypeError("a fact is wanted")
    return 0


cdef inline bint _is_billable(object kind):
    return kind == "llm" or kind == "embedding"


cdef inline str _response_key(object response_id):
    if PyUnicode_GET_LENGTH(response_id) > _LONGEST_WEAK_ID:
        return response_id
    return _pure_response_key(response_id)


def response_key(str response_id not None):
    """See ``keys``."""
    return _response_key(response_id)


def own_call_id(fact):
    """See ``keys``."""
    _check(fact)
    cdef object kind = _field(fact, _KIND)
    cdef str key = ""
    if _is_billable(kind) or (
        kind == "agent"
        and (_field(fact, _INPUT_TOKENS) is not None or _field(fact, _OUTPUT_TOKENS) is not None)
    ):
        key = _response_key(_field(fact, _RESPONSE_ID))
    _scratch.size = 0
    if key:
        _put(b"response\x1f", 9)
        _put_text(key)
    else:
        _put(b"span\x1f", 5)
        _put_text(_field(fact, _TRACE_ID))
        _put(b"\x1f", 1)
        _put_text(_field(fact, _SPAN_ID))
    return _hex_digest()


cdef object _hex_digest():
    cdef uint64_t digest[2]
    cdef char text[32]
    cdef const char *digits = b"0123456789abcdef"
    cdef int number, byte
    digest[0] = digest[1] = 0
    digest_of(<unsigned char *>_scratch.start, _scratch.size, digest)
    for number in range(16):
        byte = <int>(digest[number // 8] >> (8 * (number % 8)) & 255)
        text[2 * number] = digits[byte >> 4]
        text[2 * number + 1] = digits[byte & 15]
    return PyUnicode_FromStringAndSize(text, 32)


cdef object _stem(object model):
    stem = _stems.get(model)
    if stem is None:
        if len(_stems) >= _STEMS_REMEMBERED:
            _stems.clear()
        stem = _stems[model] = _pure_model_stem(model)
    return stem


def match_key(fact):
    """See ``keys``."""
    cdef uint64_t digest[2]
    cdef uint64_t number = 0
    cdef long long input_tokens = 0, output_tokens = 0
    cdef int overflow = 0, byte
    _check(fact)
    cdef object kind = _field(fact, _KIND)
    if not _is_billable(kind):
        return 0
    if _field(fact, _DIALECT) in _agreed_by:
        return pure.PURE["match_key"](fact)
    cdef object said_input = _field(fact, _INPUT_TOKENS)
    cdef object said_output = _field(fact, _OUTPUT_TOKENS)
    if said_input is not None:
        if not PyLong_CheckExact(said_input):
            return pure.PURE["match_key"](fact)
        input_tokens = PyLong_AsLongLongAndOverflow(said_input, &overflow)
        if overflow:
            return pure.PURE["match_key"](fact)
    if said_output is not None:
        if not PyLong_CheckExact(said_output):
            return pure.PURE["match_key"](fact)
        output_tokens = PyLong_AsLongLongAndOverflow(said_output, &overflow)
        if overflow:
            return pure.PURE["match_key"](fact)
    cdef object stem = _stem(_field(fact, _RESPONSE_MODEL) or _field(fact, _REQUEST_MODEL))
    _scratch.size = 0
    _put(b"match\x1f", 6)
    _put_text(_field(fact, _SERVICE))
    _put(b"\x1f", 1)
    _put_text(_field(fact, _INSTANCE))
    _put(b"\x1f", 1)
    _put_text(kind)
    _put(b"\x1f", 1)
    _put_text(stem)
    _put(b" ", 1)
    if said_input is None and said_output is None:
        _put_text(_field(fact, _STATUS))
    else:
        _put_count(input_tokens)
        _put(b"/", 1)
        _put_count(output_tokens)
    digest[0] = digest[1] = 0
    digest_of(<unsigned char *>_scratch.start, _scratch.size, digest)
    for byte in range(8):
        number = number << 8 | (digest[0] >> (8 * byte) & 255)
    return number or 1


def variant(fact):
    """See ``keys``: the checksum of what ``marshal`` writes of the fact in its format 2."""
    cdef int number
    cdef Py_ssize_t size
    cdef const char *text
    cdef char *at
    cdef long long integer
    cdef int overflow = 0
    cdef double real
    cdef uint64_t bits
    _check(fact)
    cdef object money = _field(fact, _MONEY)
    money = "" if money is None else f"{money:.12f}"
    _scratch.size = 0
    _make_room(5 + _FIELDS * _LONGEST_NUMBER)
    at = put_32(_scratch.start, c"(", <uint32_t>_FIELDS)
    for number in range(_FIELDS):
        value = money if number == _MONEY else _field(fact, number)
        if PyUnicode_CheckExact(value):
            try:
                text = PyUnicode_AsUTF8AndSize(value, &size)
            except UnicodeEncodeError:
                return pure.PURE["variant"](fact)
            _scratch.size = at - _scratch.start
            _make_room(size + _FIELDS * _LONGEST_NUMBER)
            at = put_32(_scratch.start + _scratch.size, c"u", <uint32_t>size)
            memcpy(at, text, size)
            at += size
        elif value is None or value is True or value is False:
            at[0] = c"N" if value is None else c"T" if value is True else c"F"
            at += 1
        elif PyLong_CheckExact(value):
            integer = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                return pure.PURE["variant"](fact)
            at = put_integer(at, integer)
        elif PyFloat_CheckExact(value):
            real = PyFloat_AS_DOUBLE(value)
            memcpy(&bits, &real, 8)
            at = put_real(at, bits)
        else:
            return pure.PURE["variant"](fact)
    return ~crc_of(0xFFFFFFFFu, _scratch.start, at - _scratch.start)
