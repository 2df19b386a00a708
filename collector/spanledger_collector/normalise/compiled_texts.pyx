# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One object for a text that comes again, up to a bound: made once, and equal to itself at a glance in all that follows."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from spanledger_collector.decode.buffer cimport write_hex
from spanledger_collector.decode.compiled_attributes cimport Attribute, ValueType
from spanledger_collector.decode.compiled_span cimport Text
from spanledger_collector.wire cimport Place

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)

cdef enum:
    TEXT_SLOTS = 4096
    MAX_TEXT_BYTES = 64
    ID_SLOTS = 1024


cdef class Texts:
    """Remembers texts and ids; of two that meet in one place the later stays."""

    def __cinit__(self):
        self._texts = <KnownText*>calloc(TEXT_SLOTS, sizeof(KnownText))
        self._ids = <KnownId*>calloc(ID_SLOTS, sizeof(KnownId))
        if self._texts == NULL or self._ids == NULL:
            raise MemoryError
        # Differs from process to process: nobody can know which texts meet in one slot.
        self._seed = <uint64_t>hash("texts")

    def __dealloc__(self):
        cdef size_t slot
        if self._texts != NULL:
            for slot in range(TEXT_SLOTS):
                if self._texts[slot].text != NULL:
                    Py_DECREF(<object>self._texts[slot].text)
            free(self._texts)
        if self._ids != NULL:
            for slot in range(ID_SLOTS):
                if self._ids[slot].text != NULL:
                    Py_DECREF(<object>self._ids[slot].text)
            free(self._ids)

    cdef object plain(self, Attribute* attribute, bint repeats):
        """A text that ``text`` leaves as it is; ``None`` for one that has to be looked at."""
        cdef size_t index, size = attribute.size
        cdef Place at = attribute.text
        cdef uint64_t hashed = self._seed ^ size
        cdef uint8_t any_byte = 0
        cdef KnownText* known
        if attribute.type != ValueType.TEXT or size == 0 or at[0] <= 32 or at[size - 1] <= 32:
            return None
        for index in range(size):
            any_byte |= at[index]
        if any_byte > 127:
            return None
        if not repeats or size > MAX_TEXT_BYTES:
            return PyUnicode_DecodeASCII(<const char*>at, size, NULL)
        for index in range(size):
            hashed = (hashed ^ at[index]) * <uint64_t>0x100000001B3
        hashed ^= hashed >> 32
        known = self._texts + (hashed & (TEXT_SLOTS - 1))
        if known.text != NULL:
            if known.hash == hashed and known.size == size and memcmp(PyUnicode_DATA(<object>known.text), at, size) == 0:
                return <object>known.text
            Py_DECREF(<object>known.text)
            known.text = NULL
        made = PyUnicode_DecodeASCII(<const char*>at, size, NULL)
        Py_INCREF(made)
        known.text, known.size, known.hash = <PyObject*>made, size, hashed
        return made

    cdef object id(self, Text* id, bint repeats):
        """An id in hex; one object as long as spans of a trace, or of a parent, come together."""
        cdef uint8_t padded[16]
        cdef uint64_t hashed
        cdef KnownId* known
        memcpy(padded, id.at, id.size)
        for index in range(id.size, 16):
            padded[index] = 0
        memcpy(&hashed, padded, 8)
        hashed *= <uint64_t>0x9E3779B97F4A7C15
        known = self._ids + (hashed >> 54)
        if known.text != NULL and memcmp(known.id, padded, 16) == 0 and _is_sized(<object>known.text, 2 * id.size):
            return <object>known.text
        made = PyUnicode_New(2 * id.size, 127)
        write_hex(<uint8_t*>PyUnicode_DATA(made), id.at, id.size)
        if repeats:
            if known.text != NULL:
                Py_DECREF(<object>known.text)
            Py_INCREF(made)
            known.text = <PyObject*>made
            memcpy(known.id, padded, 16)
        return made


cdef inline bint _is_sized(str text, size_t size):
    return <size_t>len(text) == size
