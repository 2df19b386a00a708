# cython: language_level=3
"""The compiled twin of ``recent.Kept``: it keeps and lets go of the same facts."""

from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE


cdef class Facts:
    """All facts of a key, and near how many bytes they take."""

    cdef list facts
    cdef long long size_bytes


cdef class Kept:
    """See ``recent.Kept``."""

    cdef dict _young
    cdef dict _old
    cdef long long _young_bytes
    cdef long long _half_bytes
    cdef long long _fact_bytes

    def __init__(self, long long limit_bytes):
        self._half_bytes = limit_bytes // 2
        self._fact_bytes = 0
        self.clear()

    def clear(self):
        """See ``recent.Kept``."""
        self._young, self._old, self._young_bytes = {}, {}, 0

    def get(self, key):
        """See ``recent.Kept``."""
        cdef object found = self._get(key)
        if found is None:
            return None
        return (<Facts>found).facts if isinstance(found, Facts) else (found,)

    def begin(self, key):
        """See ``recent.Kept``."""
        self._young[key] = _facts([], 0)

    def add(self, key, fact, long long weight_bytes, set begun not None):
        """See ``recent.Kept``."""
        self._add(key, fact, weight_bytes, begun)

    def add_by(self, int number, facts, long long weight_bytes, set begun not None):
        """See ``recent.Kept``."""
        for fact in facts:
            if not isinstance(fact, tuple) or not 0 <= number < PyTuple_GET_SIZE(fact):
                raise TypeError("a fact is wanted")
            key = <object>PyTuple_GET_ITEM(fact, number)
            if key:
                self._add(key, fact, weight_bytes, begun)

    def found(self, keys):
        """See ``recent.Kept``."""
        cdef list facts = [], others = []
        cdef object found
        for key in keys:
            found = self._get(key)
            if found is None:
                others.append(key)
            elif isinstance(found, Facts):
                facts.extend((<Facts>found).facts)
            else:
                facts.append(found)
        return facts, others

    cdef object _get(self, object key):
        cdef object found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self._young[key] = found
                self._weigh((<Facts>found).size_bytes if isinstance(found, Facts) else self._fact_bytes)
        return found

    cdef int _add(self, object key, object fact, long long weight_bytes, set begun) except -1:
        cdef long long size_bytes = weight_bytes
        cdef object found
        self._fact_bytes = weight_bytes
        found = self._get(key)
        if found is None:
            if key not in begun:
                return 0
            # Once: should it be let go before the next fact of it, it is not all there any more.
            begun.discard(key)
            self._young[key] = fact
        elif isinstance(found, Facts):
            (<Facts>found).facts.append(fact)
            (<Facts>found).size_bytes += weight_bytes
            size_bytes = (<Facts>found).size_bytes
        else:
            size_bytes *= 2
            self._young[key] = _facts([found, fact], size_bytes)
        self._weigh(weight_bytes)
        if size_bytes > self._half_bytes:
            self._young.pop(key, None)
            self._old.pop(key, None)
        return 0

    cdef int _weigh(self, long long more_bytes) except -1:
        self._young_bytes += more_bytes
        if self._young_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        return 0


cdef Facts _facts(list facts, long long size_bytes):
    cdef Facts made = Facts()
    made.facts, made.size_bytes = facts, size_bytes
    return made
