"""Attributes from their raw bytes to what the columns and the ledger need of them, at the speed of a look-up.

Most attributes of a fleet repeat, so that short ones are remembered whole. A text is a length and its bytes both in
protobuf and in ClickHouse, so that it is copied as it is; this is done only where every length around it agrees with
the bytes that are there. All else takes the slow path, which is that of the reference decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanledger_collector.decode.otel_traces import text
from spanledger_collector.decode.spans import value_of
from spanledger_collector.model import Attributes
from spanledger_collector.native import sized

_MAX_SHORT_BYTES = 56
_MAX_REMEMBERED = 20_000
"""Attributes remembered by their bytes: some 5 MB."""
_MAX_NAMES = 10_000
_MAX_NAME_BYTES = 127
_MAX_SHAPES = 2_000
_MAX_SHAPE_CHARACTERS = 4_096
"""Longer sets of names are worked out each time, so that what is remembered of hostile ones stays below 20 MB."""

_KEY_TAG, _VALUE_TAG, _TEXT_TAG, _INTEGER_TAG = 0x0A, 0x12, 0x0A, 0x18

Attribute = tuple[str, Any, bytes]
"""Name, value, and the value as an element of a Native column. The value of a long text is ``NOT_DECODED``."""

NOT_DECODED: Any = object()


@dataclass(slots=True, frozen=True)
class Shape:
    """What the names of a span's attributes say by themselves."""

    size: int
    keys: bytes
    """The names as elements of a Native column."""
    telling: bool
    """Whether one of them makes the span a matter of the ledger."""
    distinct: bool


class AttributeReader:
    """Remembers attributes and sets of names, up to a bound."""

    def __init__(self, name_tells: Callable[[str], bool]) -> None:
        self._name_tells = name_tells
        self._remembered: dict[bytes, Attribute] = {}
        self._names: dict[bytes, str] = {}
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self.remembered = self._remembered.get
        """The attribute of these bytes, if it is known; else ``read`` it."""

    def read(self, raw: bytes) -> Attribute:
        """One attribute from the bytes of its ``KeyValue``.

        Raises:
            google.protobuf.message.DecodeError: the bytes are none.
        """
        attribute = self._fast(raw) or attribute_of(raw)
        if len(raw) < _MAX_SHORT_BYTES:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[raw] = attribute
        return attribute

    def shape(self, names: tuple[str, ...]) -> Shape:
        """What these names say, in their order."""
        known = self._shapes.get(names)
        if known is not None:
            return known
        shape = Shape(
            len(names),
            b"".join(sized(name.encode()) for name in names),
            any(map(self._name_tells, names)),
            len(set(names)) == len(names),
        )
        if sum(map(len, names)) <= _MAX_SHAPE_CHARACTERS:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            self._shapes[names] = shape
        return shape

    def _fast(self, raw: bytes) -> Attribute | None:
        """A text or a count under a short name; ``None`` for everything that is not exactly that."""
        size = len(raw)
        # Key tag, length, key, value tag, length, text tag, length: 7 bytes at least, beside what they hold.
        if size < 7 or raw[0] != _KEY_TAG or raw[1] > _MAX_NAME_BYTES:
            return None
        at = 2 + raw[1]
        if at + 4 > size or raw[at] != _VALUE_TAG:
            return None
        if (
            size - at < 128
            and raw[at + 1] == size - at - 2
            and raw[at + 2] == _TEXT_TAG
            and raw[at + 3] == size - at - 4
        ):
            # Both lengths in one byte each, as in most attributes.
            return self._name(raw[2:at]), raw[at + 4 :].decode(), raw[at + 3 :]
        value_size, at_value = _length(raw, at + 1)
        if at_value + value_size != size or value_size < 2:
            return None
        number, end = _length(raw, at_value + 1)
        if raw[at_value] == _INTEGER_TAG and end == size:
            return self._name(raw[2:at]), number, sized(b"%d" % number)
        if raw[at_value] == _TEXT_TAG and end + number == size:
            return self._name(raw[2:at]), NOT_DECODED, raw[at_value + 1 :]
        return None

    def _name(self, encoded: bytes) -> str:
        # One object a name: comparing the names of two spans is then comparing addresses.
        name = self._names.get(encoded)
        if name is None:
            name = encoded.decode()
            if len(self._names) >= _MAX_NAMES:
                self._names.clear()
            self._names[encoded] = name
        return name


def values_of(attributes: Iterable[Attribute]) -> Attributes:
    """The attributes as a dict of plain values; of a key said twice the last holds."""
    return {name: _decoded(encoded) if value is NOT_DECODED else value for name, value, encoded in attributes}


def _decoded(encoded: bytes) -> str:
    return encoded[_length(encoded, 0)[1] :].decode()


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A length (or count) of one to four bytes, and where it ends; one past the end of ``raw`` where it is none."""
    length = shift = 0
    for place in range(at, min(at + 4, len(raw))):
        byte = raw[place]
        length |= (byte & 127) << shift
        if byte < 128:
            return length, place + 1
        shift += 7
    return 0, len(raw) + 1


def attribute_of(raw: bytes) -> Attribute:
    """The slow way, through protobuf.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no ``KeyValue``.
    """
    pair = KeyValue.FromString(raw)
    value = value_of(pair.value)
    return pair.key, value, sized(text(value).encode())
