"""Single values of OTLP/JSON: what each field type accepts, and how it is written."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from spanledger_collector.receive.span_ids import SPAN_ID_BYTES, TRACE_ID_BYTES

_ID_BYTES = {"trace_id": TRACE_ID_BYTES, "span_id": SPAN_ID_BYTES, "parent_span_id": SPAN_ID_BYTES}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?\d{1,20}", re.ASCII)
_INT32, _UINT32 = range(-(1 << 31), 1 << 31), range(1 << 32)
_INT64, _UINT64 = range(-(1 << 63), 1 << 63), range(1 << 64)
_INTEGER_RANGES = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}


class MisfitError(Exception):
    """A value that does not fit its field; the path to it is put together on the way up."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""


def kind_of(value: object) -> str:
    """What a JSON value is, in the words of JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def scalar_reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    """A function from a JSON value to the field's Python value, or to ``None`` for an unknown enum name.

    It raises ``MisfitError`` with a reason that does not quote the value.
    """
    if field.type in _INTEGER_RANGES:
        return partial(_read_integer, _INTEGER_RANGES[field.type])
    if field.enum_type is not None:
        # Not the descriptor's own mapping, which fails on a lone surrogate.
        return partial(_read_enum, {value.name: value.number for value in field.enum_type.values})
    if field.type == FieldDescriptor.TYPE_BYTES:
        return partial(_read_id, _ID_BYTES[field.name]) if field.name in _ID_BYTES else _read_base64
    if field.type == FieldDescriptor.TYPE_STRING:
        return _read_text
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _read_boolean
    return _read_double


def scalar_writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    """A function from the field's Python value to a JSON value."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes.hex if field.name in _ID_BYTES else _write_base64
    if _INTEGER_RANGES.get(field.type) in (_INT64, _UINT64):
        return str
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _write_double
    return _as_it_is


def _read_integer(allowed: range, value: object) -> int:
    if (isinstance(value, str) and _INTEGER.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MisfitError(f"must be an integer, not {kind_of(value)}")
    if value not in allowed:
        raise MisfitError("is an integer out of range")
    return value


def _read_enum(numbers: Mapping[str, int], value: object) -> int | None:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        return numbers.get(value)
    return _read_integer(_INT32, value)


def _read_id(length: int, value: object) -> bytes:
    if not isinstance(value, str):
        raise MisfitError(f"must be a string of hexadecimal digits, not {kind_of(value)}")
    try:
        read = bytes.fromhex(value)
    except ValueError:
        read = None
    if read is None or len(value) not in (0, 2 * length) or len(read) * 2 != len(value):
        raise MisfitError(
            f"must be {2 * length} hexadecimal digits; "
            + (f"it has {len(value)}" if read is not None else "it has other characters (base64?)")
        )
    return read


def _read_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise MisfitError(f"must be a base64 string, not {kind_of(value)}")
    try:
        unpadded = value.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MisfitError("is not base64") from None


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise MisfitError(f"must be a string, not {kind_of(value)}")
    return value if value.isascii() else _LONE_SURROGATE.sub("\ufffd", value)


def _read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise MisfitError(f"must be true or false, not {kind_of(value)}")
    return value


def _read_double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise MisfitError(f"must be a number, not {kind_of(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise MisfitError("is not a number of 64 bits") from None


def _write_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _write_double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _as_it_is(value: Any) -> Any:
    return value
