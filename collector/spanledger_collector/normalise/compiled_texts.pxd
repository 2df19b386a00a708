# Texts that come again and again, and ids.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t

from spanledger_collector.decode.compiled_attributes cimport Attribute
from spanledger_collector.decode.compiled_span cimport Text

ctypedef struct KnownText:
    PyObject* text
    size_t size
    uint64_t hash

ctypedef struct KnownId:
    PyObject* text
    uint8_t id[16]


cdef class Texts:
    cdef KnownText* _texts
    cdef KnownId* _ids
    cdef uint64_t _seed
    cdef object plain(self, Attribute* attribute, bint repeats)
    cdef object id(self, Text* id, bint repeats)
