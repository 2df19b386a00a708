"""ClickHouse's Native format, as far as the tables need it: a block is some rows, column after column.

Blocks are independent of one another: several of them, one after the other, make one INSERT. Text is a length and
UTF-8 bytes, numbers are little-endian, an array column is its end offsets and then all elements in a row, a map an
array of keys and values. Source: ClickHouse's documentation of the format.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

_SMALL = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A non-negative integer in seven bits a byte, as both protobuf and ClickHouse write lengths."""
    if number < 128:
        return _SMALL[number]
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def sized(content: bytes) -> bytes:
    """A text as it is written: its length in bytes, then the bytes."""
    return varint(len(content)) + content


def numbers(code: str, values: Iterable[Any]) -> bytes:
    """A column of numbers; ``code`` is ``array``'s: ``q`` for Int64, DateTime64 and Decimal(18), ``d`` for floats."""
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def block(columns: Iterable[tuple[str, str, bytes]], rows: int) -> bytes:
    """The block of ``rows`` rows, given columns as their name, type and data."""
    parts = [part for name, kind, data in columns for part in (sized(name.encode()), sized(kind.encode()), data)]
    return b"".join((varint(len(parts) // 3), varint(rows), *parts))


def rows_of(content: bytes) -> list[dict[str, Any]]:
    """The rows of some blocks, with column names as keys; for tests, and for the in-memory twin of the store.

    Raises:
        ValueError: the content is no sequence of whole blocks, or has types that ``otel_traces`` has not.
    """
    reader = _Reader(content)
    rows: list[dict[str, Any]] = []
    while not reader.at_end:
        width, count = reader.varint(), reader.varint()
        columns = {reader.text(): reader.column(reader.text(), count) for _ in range(width)}
        rows.extend(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return rows


class _Reader:
    """Reads from the front, and never past the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._content)

    def take(self, size: int) -> bytes:
        if size > len(self._content) - self._at:
            raise ValueError(f"the block ends {size - len(self._content) + self._at} bytes too early")
        self._at += size
        return self._content[self._at - size : self._at]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def text(self) -> str:
        return self.take(self.varint()).decode()

    def column(self, kind: str, count: int) -> list[Any]:
        if kind == "String":
            return [self.text() for _ in range(count)]
        if kind == "UInt64":
            return list(struct.unpack(f"<{count}Q", self.take(8 * count)))
        if kind == "DateTime64(9)":
            return list(struct.unpack(f"<{count}q", self.take(8 * count)))
        outer, _, inner = kind.removesuffix(")").partition("(")
        if outer not in ("Array", "Map"):
            raise ValueError(f"no column of otel_traces has the type {kind}")
        ends = [0, *self.column("UInt64", count)]
        if outer == "Array":
            items = self.column(inner, ends[-1])
            return [items[start:end] for start, end in pairwise(ends)]
        keys, values = (self.column(of, ends[-1]) for of in inner.split(", "))
        return [dict(zip(keys[start:end], values[start:end], strict=True)) for start, end in pairwise(ends)]
