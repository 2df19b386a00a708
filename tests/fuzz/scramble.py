"""Requests written as nobody should write them, and mostly meaning something all the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from spanledger_collector.native import sized, varint

Messages = dict[int, Any]
"""Which fields are messages, and which of their fields are; an empty dict for one without any."""

_VALUE: Messages = {}
_VALUE |= {5: {1: _VALUE}, 6: {1: {2: _VALUE}}}
_PAIR: Messages = {2: _VALUE}
_SPAN: Messages = {9: _PAIR, 11: {3: _PAIR}, 13: {4: _PAIR}, 15: {}}
REQUEST: Messages = {1: {1: {1: _PAIR}, 2: {1: {3: _PAIR}, 2: _SPAN}}}

_UNKNOWN: tuple[Callable[[], bytes], ...] = (
    lambda: varint(100 << 3) + varint(5),
    lambda: varint(101 << 3 | 1) + b"12345678",
    lambda: varint(102 << 3 | 2) + sized(b"\xff\xfe"),
    lambda: varint(103 << 3 | 5) + b"1234",
    lambda: varint(104 << 3 | 3) + varint(1 << 3) + b"\x07" + varint(104 << 3 | 4),
)


def scrambled(raw: bytes, messages: Messages, chance: random.Random, rate: float) -> bytes:
    """The fields of a message and of those within it, each changed with a chance of ``rate``."""
    fields = [
        (number, kind, scrambled(content, messages[number], chance, rate) if number in messages else content)
        for number, kind, content in _fields(raw)
    ]
    if chance.random() < rate / 2:
        chance.shuffle(fields)
    written = []
    for number, kind, content in fields:
        again = 2 if chance.random() < rate / 4 else 1
        written.extend([_written(number, kind, content, chance, rate)] * again)
        if chance.random() < rate / 4:
            written.insert(chance.randrange(len(written) + 1), chance.choice(_UNKNOWN)())
    return b"".join(written)


def _written(number: int, kind: int, content: bytes, chance: random.Random, rate: float) -> bytes:
    what = chance.random() / rate if rate else 1
    if what < 0.02:
        kind = chance.choice((0, 1, 2, 5))
    if what < 0.04:
        number = chance.choice((0, 1, 2, 3, 7, 10, 15, 16, 300))
    tag = varint(number << 3 | kind)
    if 0.04 < what < 0.06:
        tag = _long(tag)
    if 0.06 < what < 0.08:
        content = bytes(chance.choices(range(256), k=len(content)))
    if kind == 2:
        length = varint(max(0, len(content) + (chance.choice((-1, 1, 200)) if 0.08 < what < 0.1 else 0)))
        return tag + (_long(length) if 0.1 < what < 0.15 else length) + content
    return tag + (_long(content) if kind == 0 and content and 0.1 < what < 0.15 else content)


def _long(number: bytes) -> bytes:
    """The same number in a byte more than it needs."""
    return number[:-1] + bytes((number[-1] | 128, 0))


def _fields(raw: bytes) -> list[tuple[int, int, bytes]]:
    """Number, wire type and content of the fields of a message that protobuf wrote."""
    found = []
    at = 0
    while at < len(raw):
        tag, at = _number(raw, at)
        begin = at
        if tag & 7 == 0:
            _, at = _number(raw, at)
        elif tag & 7 == 2:
            size, begin = _number(raw, at)
            at = begin + size
        else:
            at += 8 if tag & 7 == 1 else 4
        found.append((tag >> 3, tag & 7, raw[begin:at]))
    return found


def _number(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (raw[at] & 127) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 128:
            return number, at
