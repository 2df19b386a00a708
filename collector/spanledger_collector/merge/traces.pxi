# Facts by trace and span, as the compiled twins of the merge keep them while they work; and what a fact is asked.

from spanledger_collector.model import FACT_FIELDS

cdef int _TRACE_ID = FACT_FIELDS.index("trace_id")
cdef int _SPAN_ID = FACT_FIELDS.index("span_id")
cdef int _PARENT_SPAN_ID = FACT_FIELDS.index("parent_span_id")
cdef int _STARTED_AT_NS = FACT_FIELDS.index("started_at_ns")
cdef int _ENDED_AT_NS = FACT_FIELDS.index("ended_at_ns")
cdef int _SCOPE = FACT_FIELDS.index("scope")
cdef int _KIND = FACT_FIELDS.index("kind")
cdef int _STATUS = FACT_FIELDS.index("status")
cdef int _REQUEST_MODEL = FACT_FIELDS.index("request_model")
cdef int _RESPONSE_MODEL = FACT_FIELDS.index("response_model")
cdef int _RESPONSE_ID = FACT_FIELDS.index("response_id")
cdef int _INPUT_TOKENS = FACT_FIELDS.index("input_tokens")
cdef int _OUTPUT_TOKENS = FACT_FIELDS.index("output_tokens")
cdef int _TOOL_CALL_ID = FACT_FIELDS.index("tool_call_id")
cdef int _FIELDS = len(FACT_FIELDS)
cdef int _IDENTITY = FACT_FIELDS.index("task")
"""The first of task, agent, team, user and session."""
if FACT_FIELDS[_IDENTITY : _IDENTITY + 5] != ("task", "agent", "team", "user", "session"):
    raise ImportError("the fields of a fact have another order than the compiled merge was made for")

cdef tuple _NOBODY = ("", "", "", "", "", False)
"""Whom a span is for, when none says; and whether it or a span above it is a call."""


cdef inline bint is_billable(object kind):
    return kind == "llm" or kind == "embedding"


cdef inline bint has_counts(object fact):
    return field(fact, _INPUT_TOKENS) is not None or field(fact, _OUTPUT_TOKENS) is not None


cdef class Trace:
    """The facts of one trace: those that were stored, and then the new ones."""

    cdef object trace_id
    cdef dict by_span
    cdef list facts
    cdef Py_ssize_t stored
    """How many of ``facts``, from the first, were stored before."""
    cdef list said_before
    """Whom the stored facts were for, before the new ones came."""
    cdef dict said
    """Whom the spans that have others below them are for."""
    # Of the component: these count at its root.
    cdef Trace root
    cdef Py_ssize_t size
    cdef bint is_judged
    """Whether one of the rules of ``copies`` may find two facts that are one call."""
    cdef bint has_unidentified
    cdef bint has_scopes
    """Whether its calls are of several scopes."""
    cdef object scope

    def __cinit__(self, trace_id):
        self.trace_id = trace_id
        self.by_span = {}
        self.facts = []
        self.said = {}
        self.root = self

    cdef bint add(self, object fact) except -1:
        """Whether the fact is none that was here already."""
        span_id = field(fact, _SPAN_ID)
        there = self.by_span.get(span_id)
        if there is None:
            self.by_span[span_id] = fact
        else:
            if there == fact:
                return False
            if self.is_judged and fact in self.facts:
                return False
            # Several things are said of one span.
            self.is_judged = True
        self.facts.append(fact)
        return True

    cdef tuple above(self, object fact):
        """Whom the spans above ``fact`` say it is for, the nearest first, and whether one of them is a call."""
        parent_span_id = field(fact, _PARENT_SPAN_ID)
        if not parent_span_id:
            return _NOBODY
        found = self.said.get(parent_span_id)
        if found is not None:
            return <tuple>found
        parent = self.by_span.get(parent_span_id)
        return _NOBODY if parent is None else self._walked(parent)

    cdef tuple _walked(self, object fact):
        cdef list below = []
        cdef Py_ssize_t number
        cdef tuple found = _NOBODY
        while True:
            known = self.said.get(field(fact, _SPAN_ID))
            if known is not None:
                found = <tuple>known
                break
            below.append(fact)
            if len(below) > len(self.facts):
                # Broken data, spans that are each other's parents.
                self.is_judged = True
                return _NOBODY
            parent_span_id = field(fact, _PARENT_SPAN_ID)
            if not parent_span_id:
                break
            parent = self.by_span.get(parent_span_id)
            if parent is None:
                break
            fact = parent
        for number in range(len(below) - 1, -1, -1):
            fact = below[number]
            found = said_of(fact, found, True)
            self.said[field(fact, _SPAN_ID)] = found
        return found


cdef tuple said_of(object fact, tuple above, bint with_itself):
    """Whom a span is for: its own word, else that of those above it. ``with_itself`` notes that it is a call."""
    cdef object task = field(fact, _IDENTITY) or above[0]
    cdef object agent = field(fact, _IDENTITY + 1) or above[1]
    cdef object team = field(fact, _IDENTITY + 2) or above[2]
    cdef object user = field(fact, _IDENTITY + 3) or above[3]
    cdef object session = field(fact, _IDENTITY + 4) or above[4]
    cdef object call = above[5]
    if with_itself and is_billable(field(fact, _KIND)):
        call = True
    if (
        task is above[0]
        and agent is above[1]
        and team is above[2]
        and user is above[3]
        and session is above[4]
        and call is above[5]
    ):
        return above
    return (task, agent, team, user, session, call)


cdef int check(object fact) except -1:
    if not isinstance(fact, tuple) or PyTuple_GET_SIZE(fact) != _FIELDS:
        raise TypeError("a fact is wanted")
    return 0


cdef inline Trace trace_of(dict traces, object trace_id):
    cdef object trace = traces.get(trace_id)
    if trace is None:
        trace = traces[trace_id] = Trace(trace_id)
    return <Trace>trace
