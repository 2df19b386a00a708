"""OTLP's trace messages with their leaves left as bytes: a parse that makes no object per attribute.

The wire format of a nested message, of text and of bytes is the same (a length and its bytes), so that a message may
declare any of them as ``bytes``. Fields that are not declared are skipped by the parser.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "spanledger.lite"
_FIELD: Any = descriptor_pb2.FieldDescriptorProto
_BYTES, _FIXED64, _INT32 = _FIELD.TYPE_BYTES, _FIELD.TYPE_FIXED64, _FIELD.TYPE_INT32

_MESSAGES: dict[str, tuple[tuple[str, int, int | str, bool], ...]] = {
    # name, number, type (or the message it is), repeated
    "Span": (
        ("trace_id", 1, _BYTES, False),
        ("span_id", 2, _BYTES, False),
        ("trace_state", 3, _BYTES, False),
        ("parent_span_id", 4, _BYTES, False),
        ("name", 5, _BYTES, False),
        ("kind", 6, _INT32, False),
        ("start_time_unix_nano", 7, _FIXED64, False),
        ("end_time_unix_nano", 8, _FIXED64, False),
        ("attributes", 9, _BYTES, True),
        ("events", 11, _BYTES, True),
        ("links", 13, _BYTES, True),
        ("status", 15, _BYTES, False),
    ),
    "ScopeSpans": (("scope", 1, _BYTES, False), ("spans", 2, "Span", True)),
    "ResourceSpans": (("resource", 1, _BYTES, False), ("scope_spans", 2, "ScopeSpans", True)),
    "ExportTraceServiceRequest": (("resource_spans", 1, "ResourceSpans", True),),
}


def _request_type() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="spanledger_lite.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            field: Any = message.field.add(name=name, number=number)
            field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ExportTraceServiceRequest"))


LiteRequest: Any = _request_type()
"""``ExportTraceServiceRequest``, with attributes, events, links, status, scope and resource as their bytes."""
