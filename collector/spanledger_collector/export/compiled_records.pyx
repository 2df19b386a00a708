# cython: language_level=3
"""The compiled twin of ``records``: rows as one Native block, the same byte for byte, in one pass over the rows.

A column takes no memory before a row that is not empty there: most columns of most blocks are left to the store.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from decimal import Decimal

from spanledger_collector.native import sized, varint

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    unsigned long long PyLong_AsUnsignedLongLong(object number) except? 18446744073709551615ULL
    long long PyLong_AsLongLong(object number) except? -1
    double PyFloat_AsDouble(object number) except? -1.0
    object PyBytes_FromStringAndSize(const char *content, Py_ssize_t size)

cdef extern from *:
    """
    static void spl_store(char *at, uint64_t number) {
        for (int byte = 0; byte < 8; byte++) at[byte] = (char)(number >> 8 * byte);
    }
    """
    void store "spl_store"(char *at, uint64_t number) noexcept nogil

cdef enum Writing:
    TEXT
    COUNT
    TIME
    REAL
    BOOL
    NULLABLE_COUNT
    NULLABLE_REAL
    NULLABLE_MONEY

_WRITING = {
    "String": TEXT,
    "UInt64": COUNT,
    "DateTime64(9)": TIME,
    "Float64": REAL,
    "Bool": BOOL,
    "Nullable(UInt64)": NULLABLE_COUNT,
    "Nullable(Float64)": NULLABLE_REAL,
    "Nullable(Decimal(18, 12))": NULLABLE_MONEY,
}

cdef list _EMPTY = ["", 0, 0, object(), False, None, None, None]
"""The object by which an empty value of each ``Writing`` is known; of floats there is none that is always the same."""

cdef object _Decimal = Decimal
cdef object _PICO = Decimal(12)
cdef Py_ssize_t _ROWS_AT_A_TIME = 128
"""So many rows stay in the processor's cache while they are gone through column by column."""


cdef struct Column:
    Writing writing
    bint is_told
    PyObject *empty
    char *data
    char *nulls
    Py_ssize_t size
    Py_ssize_t room


cdef class Layout:
    """How the columns of a table are written: what is the same for every block, made ready once."""

    cdef readonly list names
    cdef list _heads
    cdef list _writing
    cdef object _pico_usd

    def __init__(self, columns, pico_usd):
        """``columns`` are names and types; ``pico_usd`` makes the number of pico-dollars of an amount of money."""
        self.names = [name for name, _ in columns]
        self._heads = [sized(name.encode()) + sized(kind.encode()) for name, kind in columns]
        self._writing = [_WRITING[kind] for _, kind in columns]
        self._pico_usd = pico_usd

    def block(self, rows, more):
        """See ``Table.block``."""
        cdef Py_ssize_t width = len(self.names)
        cdef Py_ssize_t count = len(rows)
        cdef Py_ssize_t number
        cdef Column *columns = <Column *>calloc(width, sizeof(Column))
        if columns == NULL:
            raise MemoryError
        try:
            for number in range(width):
                columns[number].writing = self._writing[number]
                columns[number].empty = <PyObject *>_EMPTY[columns[number].writing]
            self._fill(columns, width, rows if isinstance(rows, list) else list(rows), list(more), count)
            return self._joined(columns, width, count)
        finally:
            for number in range(width):
                free(columns[number].data)
                free(columns[number].nulls)
            free(columns)

    cdef int _fill(self, Column *columns, Py_ssize_t width, list rows, list more, Py_ssize_t count) except -1:
        cdef Py_ssize_t own = width - len(more)
        cdef Py_ssize_t first = 0, last, row, number
        cdef Column *column
        cdef PyObject *value
        cdef bint is_begun
        for row in range(count):
            if not isinstance(rows[row], tuple) or PyTuple_GET_SIZE(rows[row]) != own:
                raise ValueError(f"a row has not {own} values")
        for extra in more:
            if len(extra) != count:
                raise ValueError(f"a column has not {count} values")
        while first < count:
            last = min(first + _ROWS_AT_A_TIME, count)
            for number in range(own):
                column = &columns[number]
                is_begun = column.data != NULL or column.nulls != NULL
                for row in range(first, last):
                    value = PyTuple_GET_ITEM(<object>PyList_GET_ITEM(rows, row), number)
                    # Most columns of most rows hold the one empty object of their type.
                    if not is_begun and value == column.empty:
                        continue
                    self._put(column, <object>value, row, count)
                    is_begun = column.data != NULL or column.nulls != NULL
            first = last
        for number in range(own, width):
            for row, last_value in enumerate(more[number - own]):
                self._put(&columns[number], last_value, row, count)
        return 0

    cdef inline int _put(self, Column *column, object value, Py_ssize_t row, Py_ssize_t count) except -1:
        cdef const char *text
        cdef Py_ssize_t size = 0
        cdef uint64_t bits
        cdef double real
        if column.writing == TEXT:
            if column.data == NULL and value == "":
                return 0
            text = PyUnicode_AsUTF8AndSize(value, &size)
            return _put_text(column, text, size, row)
        if column.writing >= NULLABLE_COUNT:
            if value is None:
                if column.nulls != NULL:
                    column.nulls[row] = 1
                return 0
            if column.nulls == NULL:
                column.nulls = <char *>calloc(count, 1)
                if column.nulls == NULL:
                    raise MemoryError
                memset(column.nulls, 1, row)
            column.is_told = True
        if column.writing == COUNT or column.writing == NULLABLE_COUNT:
            bits = PyLong_AsUnsignedLongLong(value)
            column.is_told |= bits != 0
        elif column.writing == TIME:
            bits = <uint64_t>PyLong_AsLongLong(value)
            column.is_told |= bits != 0
        elif column.writing == REAL or column.writing == NULLABLE_REAL:
            real = PyFloat_AsDouble(value)
            column.is_told |= real != 0
            if column.writing == NULLABLE_REAL and real == 0:
                real = 0
            memcpy(&bits, &real, 8)
        elif column.writing == NULLABLE_MONEY:
            # A Decimal is what it is nearly always; the same as `_pico_usd` does with it.
            pico_usd = int(value.scaleb(_PICO)) if type(value) is _Decimal else self._pico_usd(value)
            bits = <uint64_t>PyLong_AsLongLong(pico_usd)
        else:
            return _put_bool(column, value, row, count)
        if column.data == NULL:
            if bits == 0:
                return 0
            column.data = <char *>calloc(count, 8)
            if column.data == NULL:
                raise MemoryError
        store(column.data + 8 * row, bits)
        return 0

    cdef object _joined(self, Column *columns, Py_ssize_t width, Py_ssize_t count):
        cdef Py_ssize_t number, data_size
        cdef Py_ssize_t size = 0
        cdef Column *column
        cdef list told = [number for number in range(width) if columns[number].is_told]
        cdef bytes head = varint(len(told)) + varint(count)
        size = len(head)
        for number in told:
            size += len(<bytes>self._heads[number]) + _data_size(&columns[number], count)
            if columns[number].nulls != NULL:
                size += count
        cdef bytes whole = PyBytes_FromStringAndSize(NULL, size)
        cdef char *at = PyBytes_AS_STRING(whole)
        memcpy(at, PyBytes_AS_STRING(head), len(head))
        at += len(head)
        for number in told:
            column = &columns[number]
            head = self._heads[number]
            memcpy(at, PyBytes_AS_STRING(head), len(head))
            at += len(head)
            if column.nulls != NULL:
                memcpy(at, column.nulls, count)
                at += count
            data_size = _data_size(column, count)
            if column.data == NULL:
                memset(at, 0, data_size)
            else:
                memcpy(at, column.data, data_size)
            at += data_size
        return tuple([self.names[number] for number in told]), whole


cdef inline Py_ssize_t _data_size(Column *column, Py_ssize_t count) noexcept:
    if column.writing == TEXT:
        return column.size
    return count if column.writing == BOOL else 8 * count


cdef inline int _put_text(Column *column, const char *text, Py_ssize_t size, Py_ssize_t row) except -1:
    cdef Py_ssize_t left = size
    cdef Py_ssize_t needed = column.size + size + 10
    cdef char *at
    if column.data == NULL:
        needed += row
        column.size = row
    if needed > column.room:
        column.room = 2 * needed + 1024
        at = <char *>realloc(column.data, column.room)
        if at == NULL:
            raise MemoryError
        if column.data == NULL:
            memset(at, 0, row)
        column.data = at
    column.is_told |= size != 0
    at = column.data + column.size
    while left > 127:
        at[0] = <char>(left & 127 | 128)
        left >>= 7
        at += 1
    at[0] = <char>left
    at += 1
    memcpy(at, text, size)
    column.size = at + size - column.data
    return 0


cdef int _put_bool(Column *column, object value, Py_ssize_t row, Py_ssize_t count) except -1:
    cdef long long byte = PyLong_AsLongLong(value)
    if not 0 <= byte <= 255:
        raise ValueError("bytes must be in range(0, 256)")
    if byte == 0:
        return 0
    if column.data == NULL:
        column.data = <char *>calloc(count, 1)
        if column.data == NULL:
            raise MemoryError
    column.is_told = True
    column.data[row] = <char>byte
    return 0
