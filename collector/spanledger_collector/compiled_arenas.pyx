# cython: language_level=3
"""Keeps what Python's small objects are made in (arenas, of 1 MiB each) for the next batch, up to a bound.

A batch makes tens of megabytes of objects and frees them again. Python gives their arenas back to the system at once,
and the system makes and clears every page of the next ones anew: that took a tenth of the time of a span.
"""

cdef extern from "Python.h":
    ctypedef struct PyObjectArenaAllocator:
        void *ctx
        void *(*alloc)(void *ctx, size_t size) noexcept
        void (*free)(void *ctx, void *arena, size_t size) noexcept
    void PyObject_GetArenaAllocator(PyObjectArenaAllocator *allocator)
    void PyObject_SetArenaAllocator(PyObjectArenaAllocator *allocator)

cdef enum:
    MAX_KEPT = 1024

cdef PyObjectArenaAllocator _keeping, _former
cdef void *_kept[MAX_KEPT]
cdef size_t _kept_count = 0
cdef size_t _kept_size = 0
"""Of each of those that are kept, in bytes."""
cdef size_t _most = 0


# Both are called by the thread that holds the GIL, and must not make objects.

cdef void *_take(void *ctx, size_t size) noexcept:
    global _kept_count
    if _kept_count and size == _kept_size:
        _kept_count -= 1
        return _kept[_kept_count]
    return _former.alloc(_former.ctx, size)


cdef void _give(void *ctx, void *arena, size_t size) noexcept:
    global _kept_count, _kept_size
    if _kept_count < _most and (_kept_count == 0 or size == _kept_size):
        _kept[_kept_count] = arena
        _kept_count += 1
        _kept_size = size
    else:
        _former.free(_former.ctx, arena, size)


def keep_arenas(size_t most):
    """Keep up to so many arenas that are free (at most 1024) from now on."""
    global _most
    _most = min(most, <size_t>MAX_KEPT)
    if _keeping.alloc == NULL:
        PyObject_GetArenaAllocator(&_former)
        _keeping.alloc, _keeping.free = _take, _give
        PyObject_SetArenaAllocator(&_keeping)
