"""Spans as the bytes of an OTLP export request, the same as the SDK's encoder writes, for a quarter of the work.

What a span of ours has is written here: names, times, ids, a status, and attributes that are texts, numbers, truths or
lists of texts. Any other span (events, links, other values) is left to the SDK's encoder; of protobuf messages whose
fields are all repeated, the bytes in a row are the message of all. Source: ``opentelemetry/proto/trace/v1``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

MOST_REMEMBERED = 1024
"""How many attributes are kept encoded; most say the same on every span."""

MASK_64 = (1 << 64) - 1
DOUBLE = struct.Struct("<d").pack
TIMES = struct.Struct("<BQBQ").pack
FLAGS_OF_NO_REMOTE_PARENT, FLAGS_OF_REMOTE_PARENT = 0x100, 0x300

_remembered: dict[tuple[str, str | tuple[str, ...]], bytes] = {}
_keys: dict[str, bytes] = {}


class OtherSpanError(Exception):
    """A span has what is not written here."""


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Give the request that carries ``spans``."""
    scopes: dict[tuple[int, int], tuple[ReadableSpan, list[bytes]]] = {}
    others = []
    for span in spans:
        try:
            written = _span(span)
        except OtherSpanError:
            others.append(span)
            continue
        # One provider has one resource, and a tracer one scope.
        key = (id(span.resource), id(span.instrumentation_scope))
        scopes.setdefault(key, (span, []))[1].append(written)
    try:
        requests = [_request(first, written) for first, written in scopes.values()]
    except OtherSpanError:
        requests, others = [], list(spans)
    if others:
        requests.append(encode_spans(others).SerializePartialToString())
    return b"".join(requests)


def _request(first: ReadableSpan, spans: list[bytes]) -> bytes:
    resource, scope = first.resource, first.instrumentation_scope
    if scope is None:
        raise OtherSpanError
    described = _text(b"\x0a", scope.name) + _text(b"\x12", scope.version) + _attributes(b"\x1a", scope.attributes)
    scope_spans = _field(b"\x0a", described) + b"".join(spans) + _text(b"\x1a", scope.schema_url)
    resource_spans = (
        _field(b"\x0a", _attributes(b"\x0a", resource.attributes)),
        _field(b"\x12", scope_spans),
        _text(b"\x1a", resource.schema_url),
    )
    return _field(b"\x0a", b"".join(resource_spans))


def _span(span: ReadableSpan) -> bytes:
    context, parent, status = span.context, span.parent, span.status
    if context is None or span.events or span.links or context.trace_state or status.description:
        raise OtherSpanError
    is_remote = parent is not None and parent.is_remote
    body = b"".join(
        (
            b"\x0a\x10",
            context.trace_id.to_bytes(16, "big"),
            b"\x12\x08",
            context.span_id.to_bytes(8, "big"),
            b"\x22\x08" + parent.span_id.to_bytes(8, "big") if parent is not None else b"",
            _text(b"\x2a", span.name),
            b"\x30%c" % (span.kind.value + 1),
            TIMES(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            _attributes(b"\x4a", span.attributes),
            b"\x50" + _varint(span.dropped_attributes) if span.dropped_attributes else b"",
            b"\x7a\x02\x18%c" % status.status_code.value if status.status_code.value else b"\x7a\x00",
            b"\x85\x01",
            (FLAGS_OF_REMOTE_PARENT if is_remote else FLAGS_OF_NO_REMOTE_PARENT).to_bytes(4, "little"),
        )
    )
    return _field(b"\x12", body)


def _attributes(tag: bytes, attributes: Mapping[str, Any] | None) -> bytes:
    return b"".join([_field(tag, _attribute(key, value)) for key, value in (attributes or {}).items()])


def _attribute(key: str, value: Any) -> bytes:
    if type(value) is not str and type(value) is not tuple:
        return _key(key) + _field(b"\x12", _number(value))
    # Of texts only: in a mapping, the number 1 is the same as True.
    written = _remembered.get((key, value))
    if written is None:
        said = _said(value) if type(value) is str else _list(value)
        written = _key(key) + _field(b"\x12", said)
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key, value] = written
    return written


def _key(key: str) -> bytes:
    written = _keys.get(key)
    if written is None:
        if len(_keys) >= MOST_REMEMBERED:
            _keys.clear()
        written = _keys[key] = _text(b"\x0a", key)
    return written


def _said(text: str) -> bytes:
    return _field(b"\x0a", _encoded(text))


def _list(values: Iterable[Any]) -> bytes:
    if not all(type(value) is str for value in values):
        raise OtherSpanError
    return _field(b"\x2a", b"".join([_field(b"\x0a", _said(value)) for value in values]))


def _number(value: Any) -> bytes:
    if value is True or value is False:
        return b"\x10\x01" if value else b"\x10\x00"
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + _varint(value & MASK_64)
    if type(value) is float:
        return b"\x21" + DOUBLE(value)
    raise OtherSpanError


def _text(tag: bytes, text: str | None) -> bytes:
    return _field(tag, _encoded(text)) if text else b""


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise OtherSpanError from error


def _field(tag: bytes, body: bytes) -> bytes:
    size = len(body)
    return b"%b%c%b" % (tag, size, body) if size < 0x80 else tag + _varint(size) + body


def _varint(number: int) -> bytes:
    if number < 0x80:
        return b"%c" % number
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
