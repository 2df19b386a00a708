# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``classify`` for spans that a plan can read: facts from the bytes of attributes, without a span.

What a plan does not foresee (counts that contradict each other, a call without usage, an exception among the events)
is left to ``classify``, span by span.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from spanledger_collector.decode.buffer cimport write_hex
from spanledger_collector.decode.compiled_attributes cimport Attribute, Shape, ValueType, value_of
from spanledger_collector.decode.compiled_span cimport Emitter, FactReader, Scope, SpanView, Text
from spanledger_collector.decode.wire cimport Place

from spanledger_collector.model import BILLABLE, COUNT_FIELDS, Fact
from spanledger_collector.normalise.classify import (
    CLIENT, HOSTED_OPERATION, OPERATIONS, TOOL_FIELDS, arguments_hash, said_of_resource,
)
from spanledger_collector.normalise.plan import plan_of
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.semconv import kind_of
from spanledger_collector.normalise.values import MAX_TOKENS, count, number, text, truth

cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t index)
    object PyType_GenericAlloc(type made, Py_ssize_t items)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)

cdef enum:
    MAX_FIELDS = 96
    TEXT_SLOTS = 4096
    MAX_TEXT_BYTES = 64
    ID_SLOTS = 1024
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
cdef int ARGUMENTS_HASH = _FIELDS["tool_arguments_hash"]
cdef int INPUT = _FIELDS["input_tokens"], OUTPUT = _FIELDS["output_tokens"], REASONING = _FIELDS["reasoning_tokens"]
cdef int CACHE_READ = _FIELDS["cache_read_tokens"], CACHE_WRITE = _FIELDS["cache_write_tokens"]

ctypedef struct KnownText:
    PyObject* text
    size_t size
    uint64_t hash

ctypedef struct KnownId:
    PyObject* text
    uint8_t id[16]


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

    cdef object dialect, trust, kind, readers
    cdef int operation_at, error_type_at, size
    cdef int places[MAX_FIELDS]
    cdef int fields[MAX_FIELDS]
    cdef int kinds[MAX_FIELDS]
    # What the last span led to: the next one's texts are mostly the same objects.
    cdef object operation, kind_of_operation, provider, model, canonical

    def __init__(self, plan):
        self.dialect, self.trust, self.kind, self.operation_at, self.error_type_at, steps = plan
        self.size = len(steps)
        self.readers = [step.read for step in steps]
        for index, step in enumerate(steps):
            self.places[index] = step.at
            self.fields[index] = _BESIDE[step.field] if step.field in _BESIDE else _FIELDS[step.field]
            self.kinds[index] = READ_ID if step.field in _IDS else _KINDS.get(step.read, READ_OTHER)


cdef class Normaliser(FactReader):
    """Reads facts of spans, and remembers plans and texts that repeat, each up to a bound."""

    cdef dict _plans
    cdef KnownText* _texts
    cdef KnownId* _ids
    cdef uint64_t _seed

    def __cinit__(self):
        self._plans = {}
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
        if not self._follow(plan, span, fact) or not self._judge(plan, span, emitter, fact):
            return None
        _set(fact, TRACE_ID, self._id(&span.trace_id, True))
        _set(fact, SPAN_ID, self._id(&span.span_id, False))
        if span.parent_span_id.size:
            _set(fact, PARENT, self._id(&span.parent_span_id, True))
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
        operation = self._plain_text(attribute, True)
        if operation is None:
            return None
        if operation is not plan.operation:
            plan.operation, plan.kind_of_operation = operation, kind_of(operation)
        return plan.kind_of_operation

    cdef bint _follow(self, _Plan plan, SpanView* span, object fact) except -1:
        """Take what the attributes say into the fact; false where a rule is needed to make sense of it."""
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
        return _adds_up(fact, -1 if total == NULL else _or_unknown(count(value_of(total))))

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
            found = self._plain_text(attribute, way == READ_TEXT)
            if found is not None:
                return found
        elif way == READ_COUNT and attribute.type == ValueType.INTEGER:
            return attribute.integer if 0 <= attribute.integer < _MOST_TOKENS else None
        elif way == READ_TRUTH and attribute.type == ValueType.TRUTH:
            return attribute.integer != 0
        return plan.readers[step](value_of(attribute))

    cdef object _plain_text(self, Attribute* attribute, bint repeats):
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

    cdef object _id(self, Text* id, bint repeats):
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


cdef inline int64_t _or_unknown(object found) except -2:
    return -1 if found is None else found


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


cdef bint _counts_something(object fact) except -1:
    cdef int index
    for index in range(_COUNT_NUMBER):
        if _count_at(fact, _COUNTS[index]) > 0:
            return True
    return False
