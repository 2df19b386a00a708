# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A span while it is decoded, what it shares with others, and the way from there to a ``Span``."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t

from spanledger_collector.decode.buffer cimport write_hex
from spanledger_collector.decode.compiled_attributes cimport Shape, value_of

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from spanledger_collector.decode.decoder import emitter_of
from spanledger_collector.decode.spans import event_of, link_of
from spanledger_collector.model import Span
from spanledger_collector.native import sized

cdef enum:
    MAX_REMEMBERED = 2000
    MAX_REMEMBERED_BYTES = 2048

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text)


cdef class Scope:
    """What all spans of a scope share."""

    def __init__(self, str name, str version, bint tells):
        self.name, self.version, self.tells = name, version, tells
        self.name_element, self.version_element = sized(name.encode()), sized(version.encode())


cdef class Emitter:
    """What all spans of a resource share."""

    def __init__(self, resource, bytes service, bytes keys, bytes values):
        self.resource, self.service, self.keys, self.values = resource, service, keys, values
        self.width = len(resource.attributes)


cdef class FactReader:
    """Reads facts from spans that are not made for it; the normaliser's twin is one."""

    cdef object read(self, SpanView* span, Shape shape, Scope scope, Emitter emitter):
        """The fact; ``None`` where a ``Span`` must be made for the normaliser itself to read."""
        return None


cdef class Sources:
    """Scopes and resources by their bytes, up to a bound."""

    def __init__(self, scope_tells):
        self._scope_tells = scope_tells
        self._scopes, self._emitters = {}, {}

    cdef Emitter emitter(self, Text* text):
        """The resource of these bytes; ``None`` where protobuf refuses them."""
        raw = PyBytes_FromStringAndSize(<const char*>text.at, text.size)
        found = self._emitters.get(raw)
        if found is None:
            try:
                made = emitter_of(raw)
            except DecodeError:
                return None
            found = Emitter(made.resource, made.service, made.keys, made.values)
            _remember(self._emitters, raw, found)
        return <Emitter>found

    cdef Scope scope(self, Text* text):
        """The scope of these bytes; ``None`` where protobuf refuses them."""
        raw = PyBytes_FromStringAndSize(<const char*>text.at, text.size)
        found = self._scopes.get(raw)
        if found is None:
            try:
                made = InstrumentationScope.FromString(raw)
            except DecodeError:
                return None
            found = Scope(made.name, made.version, self._scope_tells(made.name))
            _remember(self._scopes, raw, found)
        return <Scope>found


cdef int _remember(dict remembered, bytes raw, object made) except -1:
    if len(raw) <= MAX_REMEMBERED_BYTES:
        if len(remembered) >= MAX_REMEMBERED:
            remembered.clear()
        remembered[raw] = made
    return 0


cdef object _hex(Text* id):
    text = PyUnicode_New(2 * id.size, 127)
    if id.size:
        write_hex(<uint8_t*>PyUnicode_DATA(text), id.at, id.size)
    return text


cdef object _str(Text* text):
    return PyUnicode_DecodeUTF8(<const char*>text.at, text.size, NULL)


cdef object span_of(SpanView* span, Scope scope, Emitter emitter):
    """The span, for what reads spans in Python."""
    cdef dict attributes = {}
    cdef size_t index
    for index in range(span.attributes.size):
        attributes[<object>span.attributes.items[index].name] = value_of(span.attributes.items + index)
    events, links = [], []
    if span.events or span.links:
        message = SpanMessage.FromString(PyBytes_FromStringAndSize(<const char*>span.begin, span.end - span.begin))
        events, links = [event_of(event) for event in message.events], [link_of(link) for link in message.links]
    return Span(
        _hex(&span.trace_id),
        _hex(&span.span_id),
        _hex(&span.parent_span_id),
        _str(&span.name),
        span.kind,
        span.start_ns,
        span.end_ns,
        span.code,
        _str(&span.message),
        _str(&span.state),
        attributes,
        events,
        links,
        scope.name,
        scope.version,
        emitter.resource,
    )
