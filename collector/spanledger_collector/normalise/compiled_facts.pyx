# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``classify`` for spans that a plan can read: facts from the bytes of attributes, without a span.

What a plan does not foresee (a call without usage, an exception among the events) is left to ``classify``, span by span.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport int64_t

from spanledger_collector.decode.compiled_attributes cimport Attribute, Shape, ValueType, value_of
from spanledger_collector.decode.compiled_span cimport Emitter, FactReader, Scope, SpanView
from spanledger_collector.normalise.compiled_texts cimport Texts

from spanledger_collector.model import BILLABLE, COUNT_FIELDS, Fact
from spanledger_collector.normalise.classify import (
    CLIENT, HOSTED_OPERATION, OPERATIONS, TOOL_FIELDS, arguments_hash, said_of_resource,
)
from spanledger_collector.normalise.plan import plan_of
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.semconv import kind_of
from spanledger_collector.normalise.unread import unread_usage
from spanledger_collector.normalise.usage import settle_totals
from spanledger_collector.normalise.values import MAX_TOKENS, count, number, text, truth

cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t index)
    object PyType_GenericAlloc(type made, Py_ssize_t items)
    void PyObject_GC_UnTrack(object tracked)

cdef enum:
    MAX_FIELDS = 96
    MAX_PLANS = 2000

# What a step feeds that is no field of the fact.
cdef enum:
    TOTAL = -1
    FIRST_TOKEN = -2
    ARGUMENTS = -3

cdef enum Way:
    READ_TEXT
    READ_ID
    READ_COUNT
    READ_TRUTH
    READ_OTHER

cdef dict _FIELDS = {name: index for index, name in enumerate(Fact._fields)}
cdef dict _BESIDE = {"total_tokens": TOTAL, "ttft_s": FIRST_TOKEN, "tool_arguments": ARGUMENTS}
cdef dict _KINDS = {text: READ_TEXT, count: READ_COUNT, truth: READ_TRUTH}
# Texts that differ from span to span: remembering them would push out those that repeat.
cdef set _IDS = {"response_id", "tool_call_id", "tool_arguments_hash"}

cdef type _FACT = Fact
cdef tuple _EMPTY = tuple(Fact._field_defaults.get(name) for name in Fact._fields)
cdef int _COUNTS[MAX_FIELDS]
cdef int _COUNT_NUMBER = len(COUNT_FIELDS)
_COUNTS = [_FIELDS[name] for name in COUNT_FIELDS] + [0] * (MAX_FIELDS - _COUNT_NUMBER)
cdef list _TOOLS = [_FIELDS[name] for name in sorted(TOOL_FIELDS)]
cdef Py_ssize_t _WIDTH = len(_EMPTY)
cdef int64_t _MOST_TOKENS = MAX_TOKENS
cdef int _CLIENT_KIND = CLIENT

cdef int TRACE_ID = _FIELDS["trace_id"], SPAN_ID = _FIELDS["span_id"], PARENT = _FIELDS["parent_span_id"]
cdef int STARTED = _FIELDS["started_at_ns"], ENDED = _FIELDS["ended_at_ns"]
cdef int SERVICE = _FIELDS["service"], INSTANCE = _FIELDS["instance"], SCOPE = _FIELDS["scope"]
cdef int DIALECT = _FIELDS["dialect"], TRUST = _FIELDS["trust"], KIND = _FIELDS["kind"]
cdef int OPERATION = _FIELDS["operation"], PROVIDER = _FIELDS["provider"]
cdef int REQUEST_MODEL = _FIELDS["request_model"], RESPONSE_MODEL = _FIELDS["response_model"]
cdef int STREAM = _FIELDS["stream"], TTFT_MS = _FIELDS["ttft_ms"]
cdef int STATUS = _FIELDS["status"], ERROR_TYPE = _FIELDS["error_type"]
cdef int UNREAD = _FIELDS["unread_usage_attributes"], ARGUMENTS_HASH = _FIELDS["tool_arguments_hash"]
cdef int INPUT = _FIELDS["input_tokens"], OUTPUT = _FIELDS["output_tokens"], REASONING = _FIELDS["reasoning_tokens"]
cdef int CACHE_READ = _FIELDS["cache_read_tokens"], CACHE_WRITE = _FIELDS["cache_write_tokens"]

cdef inline object _at(object fact, int field):
    return <object>PyTuple_GET_ITEM(fact, field)


cdef inline int _set(object fact, int field, object value) except -1:
    """Put a value in the place of another, in a tuple that nobody else has yet."""
    cdef PyObject* former = PyTuple_GET_ITEM(fact, field)
    Py_INCREF(value)
    PyTuple_SET_ITEM(fact, field, value)
    Py_DECREF(<object>former)
    return 0


cdef inline int64_t _count_at(object fact, int field) except -2:
    """A count of the fact; -1 for one that is not known."""
    value = _at(fact, field)
    return -1 if value is None else value


cdef class _Plan:
    """A plan, laid out to be followed."""

    cdef object dialect, trust, kind, readers, suspects
    cdef int operation_at, error_type_at, size
    cdef int places[MAX_FIELDS]
    cdef int fields[MAX_FIELDS]
    cdef int kinds[MAX_FIELDS]
    # What the last span led to: the next one's texts are mostly the same objects.
    cdef object operation, kind_of_operation, provider, model, canonical

    def __init__(self, plan):
        self.dialect, self.trust, self.kind, self.operation_at, self.error_type_at, steps, self.suspects = plan
        self.size = len(steps)
        self.readers = [step.read for step in steps]
        for index, step in enumerate(steps):
            self.places[index] = step.at
            self.fields[index] = _BESIDE[step.field] if step.field in _BESIDE else _FIELDS[step.field]
            self.kinds[index] = READ_ID if step.field in _IDS else _KINDS.get(step.read, READ_OTHER)


cdef class Normaliser(FactReader):
    """Reads facts of spans, and remembers plans and texts that repeat, each up to a bound."""

    cdef dict _plans
    cdef Texts _texts

    def __init__(self):
        self._plans = {}
        self._texts = Texts()

    cdef object read(self, SpanView* span, Shape shape, Scope scope, Emitter emitter):
        """The fact of a span whose plan foresees all it says; else ``None``."""
        cdef _Plan plan
        cdef object fact, kind
        if shape.plan_scope is not scope:
            shape.plan, shape.plan_scope = self._plan(scope.name, shape.names), scope
        if shape.plan is None:
            return None
        plan = <_Plan>shape.plan
        kind = self._kind(plan, span)
        if kind is None:
            return None
        fact = PyType_GenericAlloc(_FACT, _WIDTH)
        cdef Py_ssize_t field
        for field in range(_WIDTH):
            default = <object>PyTuple_GET_ITEM(_EMPTY, field)
            Py_INCREF(default)
            PyTuple_SET_ITEM(fact, field, default)
        _set(fact, KIND, kind)
        _set(fact, STARTED, span.start_ns)
        _set(fact, ENDED, span.end_ns)
        _set(fact, SCOPE, scope.name)
        _set(fact, DIALECT, plan.dialect)
        _set(fact, TRUST, plan.trust)
        self._follow(plan, span, fact)
        if not self._judge(plan, span, emitter, fact):
            return None
        _set(fact, TRACE_ID, self._texts.id(&span.trace_id, True))
        _set(fact, SPAN_ID, self._texts.id(&span.span_id, False))
        if span.parent_span_id.size:
            _set(fact, PARENT, self._texts.id(&span.parent_span_id, True))
        # See `record.pxi`: texts and numbers are in no loop.
        PyObject_GC_UnTrack(fact)
        return fact

    cdef object _plan(self, str scope, tuple names):
        key = scope, names
        try:
            return self._plans[key]
        except KeyError:
            pass
        plan = plan_of(scope, names)
        found = None if plan is None or len(plan.steps) > MAX_FIELDS else _Plan(plan)
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        # Longer sets of names are laid out each time: what is remembered of hostile ones stays small.
        if sum(map(len, names)) <= 4096:
            self._plans[key] = found
        return found

    cdef object _kind(self, _Plan plan, SpanView* span):
        """What the span is; ``None`` where the plan cannot tell."""
        cdef Attribute* attribute
        if plan.operation_at < 0:
            return plan.kind
        attribute = span.attributes.items + plan.operation_at
        if attribute.type == ValueType.NOTHING or (attribute.type == ValueType.TEXT and attribute.size == 0):
            return plan.kind
        operation = self._texts.plain(attribute, True)
        if operation is None:
            return None
        if operation is not plan.operation:
            plan.operation, plan.kind_of_operation = operation, kind_of(operation)
        return plan.kind_of_operation

    cdef int _follow(self, _Plan plan, SpanView* span, object fact) except -1:
        """Take what the attributes say into the fact."""
        cdef Attribute* attribute
        cdef Attribute* total = NULL
        cdef Attribute* first_token = NULL
        cdef Attribute* arguments = NULL
        cdef int step, field
        for step in range(plan.size):
            attribute = span.attributes.items + plan.places[step]
            if attribute.type == ValueType.NOTHING or (attribute.type == ValueType.TEXT and attribute.size == 0):
                continue
            if attribute.type == ValueType.OTHER:
                value = value_of(attribute)
                if value is None or value == "":
                    continue
            field = plan.fields[step]
            if field >= 0:
                _set(fact, field, self._value(attribute, plan, step))
            elif field == TOTAL:
                total = attribute
            elif field == FIRST_TOKEN:
                first_token = attribute
            else:
                arguments = attribute
        if first_token != NULL:
            ttft_s = number(value_of(first_token))
            if ttft_s is not None:
                # Only a streamed answer has a first chunk.
                _set(fact, STREAM, True)
                _set(fact, TTFT_MS, round(ttft_s * 1000, 6))
        if _at(fact, KIND) != "tool":
            # Some emitters put the tool a model asked for on the chat span: that is a request, not an execution.
            for field in _TOOLS:
                _set(fact, field, "")
        elif arguments != NULL and not _at(fact, ARGUMENTS_HASH):
            _set(fact, ARGUMENTS_HASH, arguments_hash(value_of(arguments)))
        stated = None if total == NULL else count(value_of(total))
        if not _adds_up(fact, -1 if stated is None else stated):
            _settle(fact, stated)
        if plan.suspects:
            values = {name: value_of(span.attributes.items + <int>place) for place, name in plan.suspects}
            _set(fact, UNREAD, unread_usage(values, values))
        return 0

    cdef bint _judge(self, _Plan plan, SpanView* span, Emitter emitter, object fact) except -1:
        """Complete the fact by what holds for all; false where more than that is needed."""
        cdef int field, index
        kind = _at(fact, KIND)
        billable = kind in BILLABLE
        if not (
            (billable or (kind == "agent" and span.kind == _CLIENT_KIND and _at(fact, OPERATION) == HOSTED_OPERATION))
            and _counts_something(fact)
        ):
            if billable:
                return False
            for index in range(_COUNT_NUMBER):
                _set(fact, _COUNTS[index], None)
        if emitter.said is None:
            said = said_of_resource(emitter.resource)
            emitter.said = [(_FIELDS[name], value) for name, value in said.items()]
        resource = emitter.resource
        _set(fact, SERVICE, resource.service)
        _set(fact, INSTANCE, resource.instance)
        for field, value in emitter.said:
            if not _at(fact, field):
                _set(fact, field, value)
        provider, model = _at(fact, PROVIDER), _at(fact, RESPONSE_MODEL) or _at(fact, REQUEST_MODEL)
        if provider is not plan.provider or model is not plan.model:
            plan.provider, plan.model, plan.canonical = provider, model, canonical_provider(provider, model)
        _set(fact, PROVIDER, plan.canonical)
        if not _at(fact, OPERATION):
            _set(fact, OPERATION, OPERATIONS.get(kind, ""))
        error_type = "" if plan.error_type_at < 0 else text(value_of(span.attributes.items + plan.error_type_at))
        if not error_type and span.code == 2:
            if span.events:
                return False
            error_type = "_OTHER"
        if error_type:
            _set(fact, STATUS, "error")
            _set(fact, ERROR_TYPE, error_type)
        return True

    cdef object _value(self, Attribute* attribute, _Plan plan, int step):
        cdef int way = plan.kinds[step]
        if way <= READ_ID and attribute.type == ValueType.TEXT:
            found = self._texts.plain(attribute, way == READ_TEXT)
            if found is not None:
                return found
        elif way == READ_COUNT and attribute.type == ValueType.INTEGER:
            return attribute.integer if 0 <= attribute.integer < _MOST_TOKENS else None
        elif way == READ_TRUTH and attribute.type == ValueType.TRUTH:
            return attribute.integer != 0
        return plan.readers[step](value_of(attribute))


cdef bint _adds_up(object fact, int64_t total) except -1:
    """Whether ``settle_totals`` would leave the counts as they are."""
    cdef int64_t plain = _count_at(fact, INPUT), output = _count_at(fact, OUTPUT)
    cdef int64_t cached = max(_count_at(fact, CACHE_READ), 0) + max(_count_at(fact, CACHE_WRITE), 0)
    cdef int64_t reasoning = max(_count_at(fact, REASONING), 0)
    if plain >= 0 and cached and (cached > plain or total == plain + cached + max(output, 0)):
        return False
    return not (
        output >= 0 and reasoning and (reasoning > output or total == max(plain, 0) + max(output, 0) + reasoning)
    )


cdef int _settle(object fact, object total) except -1:
    """Have the rules make sense of counts that do not add up."""
    cdef dict counts = {}
    cdef int field
    for name in COUNT_FIELDS:
        field = _FIELDS[name]
        if _at(fact, field) is not None:
            counts[name] = _at(fact, field)
    settle_totals(counts, total)
    for name, value in counts.items():
        field = _FIELDS[name]
        _set(fact, field, value)
    return 0


cdef bint _counts_something(object fact) except -1:
    cdef int index
    for index in range(_COUNT_NUMBER):
        if _count_at(fact, _COUNTS[index]) > 0:
            return True
    return False
