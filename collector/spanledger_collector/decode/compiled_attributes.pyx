# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``attributes``: what repeats is remembered by its bytes, and nothing is copied before it must be.

A name is one object as long as it is known, so that a set of names is found by the addresses of its names.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memset

from spanledger_collector.decode.buffer cimport Buffer, put, put_decimal, put_sized
from spanledger_collector.wire cimport Place, is_utf8, read_fixed64, read_size, read_varint

from google.protobuf.message import DecodeError

from spanledger_collector.decode.attributes import attribute_of
from spanledger_collector.native import sized

cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(tuple items, Py_ssize_t index)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    char* PyOS_double_to_string(double value, char format_code, int precision, int flags, int* type) except NULL
    int Py_DTSF_ADD_DOT_0

cdef enum:
    KEY_TAG = 0x0A
    VALUE_TAG = 0x12
    TEXT_TAG = 0x0A
    TRUTH_TAG = 0x10
    INTEGER_TAG = 0x18
    REAL_TAG = 0x21
    NAME_SLOTS = 16384
    MAX_NAMES = 8192
    MAX_NAME_BYTES = 127
    SHAPE_SLOTS = 2048
    PROBES = 8
    MAX_SHAPE_BYTES = 4096
    MAX_OTHERS = 20000
    MAX_OTHER_BYTES = 128


cdef inline uint64_t mixed(uint64_t number) noexcept nogil:
    """By 2**64 over the golden ratio, as usual for mixing."""
    return number * <uint64_t>0x9E3779B97F4A7C15


cdef inline uint64_t _hash(Place at, size_t size, uint64_t seed) noexcept nogil:
    cdef uint64_t word, found = mixed(seed ^ size)
    cdef Place end = at + size
    while end - at >= 8:
        memcpy(&word, at, 8)
        found = mixed(found ^ word)
        found ^= found >> 32
        at += 8
    word = 0
    if size >= 8:
        memcpy(&word, end - 8, 8)
    else:
        while at < end:
            word = word << 8 | at[0]
            at += 1
    found = mixed(found ^ word)
    return found ^ found >> 29


cdef class Shape:
    """What the names of a span's attributes say by themselves."""

    def __init__(self, tuple names, name_tells):
        self.names = names
        self.keys = b"".join([sized(name.encode()) for name in names])
        self.telling = any(map(name_tells, names))
        self.distinct = len(set(names)) == len(names)


cdef class AttributeReader:
    """Remembers names, sets of names, and values that are neither text nor number, each up to a bound."""

    def __cinit__(self):
        self._names = <KnownName*>calloc(NAME_SLOTS, sizeof(KnownName))
        if self._names == NULL:
            raise MemoryError

    def __init__(self, name_tells):
        self._name_tells = name_tells
        # Differs from process to process: nobody can know which names meet in one slot.
        self._seed = <uint64_t>hash("names")
        self._shapes = [None] * SHAPE_SLOTS
        self._others = {}
        self._held = []

    def __dealloc__(self):
        cdef size_t slot
        if self._names != NULL:
            for slot in range(NAME_SLOTS):
                if self._names[slot].name != NULL:
                    Py_DECREF(<object>self._names[slot].name)
            free(self._names)

    cdef int let_go(self) except -1:
        """To be called between requests: what was read until now is not looked at again."""
        cdef size_t slot
        if self._held:
            self._held.clear()
        if self._known >= MAX_NAMES:
            self._shapes = [None] * SHAPE_SLOTS
            for slot in range(NAME_SLOTS):
                if self._names[slot].name != NULL:
                    Py_DECREF(<object>self._names[slot].name)
            memset(self._names, 0, NAME_SLOTS * sizeof(KnownName))
            self._known = 0
        return 0

    cdef int read(self, Place at, Place end, Attributes* into) except -1:
        """Append the attribute that these bytes are; 1 where protobuf would refuse them."""
        cdef Place raw = at
        cdef Place key
        cdef Attribute* attribute
        cdef Attribute* items
        cdef size_t size = 0, key_size = 0
        cdef uint64_t number = 0
        if into.size == into.room:
            items = <Attribute*>realloc(into.items, (2 * into.room + 64) * sizeof(Attribute))
            if items == NULL:
                raise MemoryError
            into.items, into.room = items, 2 * into.room + 64
        attribute = into.items + into.size
        into.size += 1
        # Whatever is not exactly a key and one value of a usual type, each with nothing behind it, goes the slow way.
        if at == end or at[0] != KEY_TAG:
            return self._other(raw, end, attribute)
        key = at = read_size(at + 1, end, &key_size)
        if at == NULL:
            return 1
        at += key_size
        if at == end or at[0] != VALUE_TAG:
            return self._other(raw, end, attribute)
        at = read_size(at + 1, end, &size)
        if at == NULL:
            return 1
        if at + size != end:
            return self._other(raw, end, attribute)
        if at == end:
            attribute.type = ValueType.NOTHING
        elif at[0] == TEXT_TAG:
            at = read_size(at + 1, end, &size)
            if at == NULL:
                return 1
            if at + size != end:
                return self._other(raw, end, attribute)
            if not is_utf8(at, size):
                return 1
            attribute.type, attribute.text, attribute.size = ValueType.TEXT, at, size
        elif at[0] == INTEGER_TAG or at[0] == TRUTH_TAG:
            attribute.type = ValueType.INTEGER if at[0] == INTEGER_TAG else ValueType.TRUTH
            at = read_varint(at + 1, end, &number)
            if at != end:
                return self._other(raw, end, attribute)
            attribute.integer = <int64_t>number if attribute.type == ValueType.INTEGER else number != 0
        elif at[0] == REAL_TAG:
            at = read_fixed64(at + 1, end, &number)
            memcpy(&attribute.real, &number, 8)
            if at != end or not isfinite(attribute.real):
                return self._other(raw, end, attribute)
            attribute.type = ValueType.REAL
        else:
            return self._other(raw, end, attribute)
        return self._name(key, key_size, &attribute.name)

    cdef int _name(self, Place at, size_t size, PyObject** name) except -1:
        """One object a name, or 1 for bytes that are no text."""
        cdef uint64_t hashed = _hash(at, size, self._seed)
        cdef KnownName* known = NULL
        cdef size_t slot = hashed & (NAME_SLOTS - 1)
        cdef Py_ssize_t text_size = 0
        if size <= MAX_NAME_BYTES:
            while True:
                known = self._names + slot
                if known.name == NULL:
                    break
                if known.hash == hashed and known.size == size and memcmp(known.text, at, size) == 0:
                    name[0] = known.name
                    return 0
                slot = (slot + 1) & (NAME_SLOTS - 1)
        if not is_utf8(at, size):
            return 1
        made = PyUnicode_DecodeUTF8(<const char*>at, size, NULL)
        name[0] = <PyObject*>made
        if known == NULL or self._known >= MAX_NAMES:
            self._held.append(made)
            return 0
        known.text = PyUnicode_AsUTF8AndSize(made, &text_size)
        known.size, known.hash, known.name = size, hashed, <PyObject*>made
        Py_INCREF(made)
        self._known += 1
        return 0

    cdef int _other(self, Place at, Place end, Attribute* attribute) except -1:
        """The slow way, through protobuf; 1 where it refuses the bytes."""
        raw = PyBytes_FromStringAndSize(<const char*>at, end - at)
        found = self._others.get(raw)
        if found is None:
            try:
                found = attribute_of(raw)
            except DecodeError:
                return 1
            if len(raw) <= MAX_OTHER_BYTES:
                if len(self._others) >= MAX_OTHERS:
                    self._others.clear()
                self._others[raw] = found
        self._held.append(found)
        attribute.type, attribute.other = ValueType.OTHER, <PyObject*>found
        encoded = found[0].encode()
        return self._name(<Place>PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded), &attribute.name)

    cdef Shape settle(self, Attributes* read):
        """The names of what was read; of a name said twice the last value stays, at the place of the first."""
        cdef Shape shape = self._shape(read)
        if not shape.distinct:
            self._told_once(read)
            shape = self._shape(read)
        return shape

    cdef object _told_once(self, Attributes* read):
        cdef dict places = {}
        cdef size_t index, kept = 0
        for index in range(read.size):
            name = <object>read.items[index].name
            place = places.get(name)
            if place is None:
                places[name] = kept
                read.items[kept] = read.items[index]
                kept += 1
            else:
                read.items[<size_t>place] = read.items[index]
        read.size = kept

    cdef Shape _shape(self, Attributes* read):
        cdef uint64_t hashed = read.size
        cdef size_t index, probe, slot
        cdef Py_ssize_t free_slot = -1
        cdef Shape shape
        for index in range(read.size):
            hashed = mixed(hashed ^ <uint64_t>read.items[index].name)
            hashed ^= hashed >> 29
        for probe in range(PROBES):
            slot = (hashed + probe) & (SHAPE_SLOTS - 1)
            known = self._shapes[slot]
            if known is None:
                free_slot = slot
                break
            shape = <Shape>known
            if shape.hash == hashed and <size_t>PyTuple_GET_SIZE(shape.names) == read.size:
                for index in range(read.size):
                    if PyTuple_GET_ITEM(shape.names, index) != read.items[index].name:
                        break
                else:
                    return shape
        shape = Shape(tuple([<object>read.items[index].name for index in range(read.size)]), self._name_tells)
        shape.hash = hashed
        if len(shape.keys) <= MAX_SHAPE_BYTES:
            # Where all places are taken, the former shape of one of them is forgotten.
            self._shapes[<size_t>free_slot if free_slot >= 0 else (hashed + (hashed >> 40) % PROBES) & (SHAPE_SLOTS - 1)] = shape
        return shape


cdef int put_values(Buffer* buffer, Attributes* read) except -1:
    """Append the values as elements of a Native column."""
    cdef Attribute* attribute
    cdef char* digits
    cdef size_t index, size
    for index in range(read.size):
        attribute = read.items + index
        if attribute.type == ValueType.TEXT:
            put_sized(buffer, <const void*>attribute.text, attribute.size)
        elif attribute.type == ValueType.INTEGER:
            put_decimal(buffer, attribute.integer)
        elif attribute.type == ValueType.NOTHING:
            put(buffer, b"\0", 1)
        elif attribute.type == ValueType.TRUTH:
            if attribute.integer:
                put(buffer, b"\x04true", 5)
            else:
                put(buffer, b"\x05false", 6)
        elif attribute.type == ValueType.REAL:
            digits = PyOS_double_to_string(attribute.real, b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
            try:
                size = 0
                while digits[size]:
                    size += 1
                put_sized(buffer, digits, size)
            finally:
                PyMem_Free(digits)
        else:
            element = (<tuple>attribute.other)[2]
            put(buffer, PyBytes_AS_STRING(element), PyBytes_GET_SIZE(element))
    return 0


cdef object value_of(Attribute* attribute):
    """The value as Python has it."""
    if attribute.type == ValueType.TEXT:
        return PyUnicode_DecodeUTF8(<const char*>attribute.text, attribute.size, NULL)
    if attribute.type == ValueType.INTEGER:
        return attribute.integer
    if attribute.type == ValueType.TRUTH:
        return attribute.integer != 0
    if attribute.type == ValueType.REAL:
        return attribute.real
    if attribute.type == ValueType.NOTHING:
        return None
    return (<tuple>attribute.other)[1]
