# Attributes read from their bytes: of a span, an event or a link, one after the other.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint64_t

from spanledger_collector.decode.buffer cimport Buffer
from spanledger_collector.wire cimport Place

cdef enum ValueType:
    NOTHING
    TEXT
    INTEGER
    TRUTH
    REAL
    OTHER

ctypedef struct Attribute:
    # Borrowed, as is ``other``: both are kept until the next ``let_go``.
    PyObject* name
    ValueType type
    Place text
    size_t size
    int64_t integer
    double real
    # What the pure reader made of the attribute: its name, value and element.
    PyObject* other

ctypedef struct Attributes:
    Attribute* items
    size_t size
    size_t room

ctypedef struct KnownName:
    PyObject* name
    const char* text
    size_t size
    uint64_t hash


cdef class Shape:
    cdef readonly tuple names
    cdef bytes keys
    cdef readonly bint telling
    cdef bint distinct
    cdef uint64_t hash
    # What the normaliser remembers of spans with these names, and of which scope.
    cdef public object plan
    cdef public object plan_scope


cdef class AttributeReader:
    cdef object _name_tells
    cdef KnownName* _names
    cdef size_t _known
    cdef uint64_t _seed
    cdef list _shapes
    cdef dict _others
    cdef list _held
    cdef int read(self, Place at, Place end, Attributes* into) except -1
    cdef Shape settle(self, Attributes* read)
    cdef int let_go(self) except -1
    cdef int _name(self, Place at, size_t size, PyObject** name) except -1
    cdef int _other(self, Place at, Place end, Attribute* attribute) except -1
    cdef Shape _shape(self, Attributes* read)
    cdef object _told_once(self, Attributes* read)


cdef int put_values(Buffer* buffer, Attributes* read) except -1
cdef object value_of(Attribute* attribute)
