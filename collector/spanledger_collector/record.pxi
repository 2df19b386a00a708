# Named tuples made without a list of arguments: what `_make` does, for records that every span takes some of.
#
# They hold texts, numbers and records, and so are in no loop of references: the garbage collector is not to go through
# them, which took a tenth of the time of a span. Of plain tuples it finds that out by itself, of named ones it does not.

from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

cdef extern from *:
    """
    /* Until 3.13 an instance is filled in place. Later tuples keep their hash, which only they themselves can begin. */
    static PyObject *spl_begun(PyObject *type, Py_ssize_t size) {
    #if PY_VERSION_HEX < 0x030E0000 && CYTHON_COMPILING_IN_CPYTHON
        return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, size);
    #else
        return PyTuple_New(size);
    #endif
    }

    static PyObject *spl_done(PyObject *type, PyObject *values) {
    #if PY_VERSION_HEX < 0x030E0000 && CYTHON_COMPILING_IN_CPYTHON
        Py_INCREF(values);
        PyObject_GC_UnTrack(values);
        return values;
    #else
        PyObject *arguments = PyTuple_Pack(1, values);
        if (arguments == NULL) return NULL;
        PyObject *made = PyTuple_Type.tp_new((PyTypeObject *)type, arguments, NULL);
        Py_DECREF(arguments);
        if (made != NULL) PyObject_GC_UnTrack(made);
        return made;
    #endif
    }

    static void spl_set(PyObject *values, Py_ssize_t number, PyObject *value) {
        Py_INCREF(value);
        PyTuple_SET_ITEM(values, number, value);
    }
    """
    object begun "spl_begun"(object record, Py_ssize_t size)
    object done "spl_done"(object record, object values)
    void PyObject_GC_UnTrack(object values)
    void set_item "spl_set"(object values, Py_ssize_t number, object value)


cdef inline object field(object record, int number):
    return <object>PyTuple_GET_ITEM(record, number)


cdef inline tuple untracked(tuple values):
    """The same tuple, of texts, numbers and records."""
    PyObject_GC_UnTrack(values)
    return values


cdef inline object made(object record, tuple values):
    """A record of these values."""
    cdef Py_ssize_t number
    cdef object making = begun(record, len(values))
    for number in range(len(values)):
        set_item(making, number, <object>PyTuple_GET_ITEM(values, number))
    return done(record, making)
