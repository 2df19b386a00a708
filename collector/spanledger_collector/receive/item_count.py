"""Requests of more items than their bytes can hold: empty ones, of two bytes each, take a hundred times as much memory.

Sixteen megabytes, or sixteen kilobytes compressed, can be eight million spans without anything in them. No limit on
what a span may hold helps against these, and once they are parsed it is too late.
"""

from __future__ import annotations

from typing import Any

from spanledger_collector.receive.errors import TooManyItemsError

HARMLESS_BYTES = 1024 * 1024
"""A request that is no larger needs no look."""
_LEAST_BYTES = 12
"""What an item takes at the least: the ids of a span are 28 by themselves, the time and a letter of a log record 16."""
_RESOURCE_TAG, _SCOPE_TAG, _ITEM_TAG = 0x0A, 0x12, 0x12
_TAGS = (_RESOURCE_TAG, _SCOPE_TAG, _ITEM_TAG)
"""The same in requests of every signal."""


def check_item_count(body: bytes) -> None:
    """Look at a request in protobuf before it is parsed.

    Raises:
        TooManyItemsError: it holds more resources, scopes and items than its size allows.
    """
    if len(body) > HARMLESS_BYTES:
        most = len(body) // _LEAST_BYTES
        try:
            if _walk(body, 0, len(body), 0, most) < 0:
                raise TooManyItemsError(len(body), most)
        except IndexError:
            return  # it is broken, which is told when it is parsed


def check_json_item_count(size_bytes: int, document: dict[str, Any]) -> None:
    """Look at a request in JSON of so many bytes, before messages are made of it.

    Raises:
        TooManyItemsError: as above.
    """
    if size_bytes <= HARMLESS_BYTES:
        return
    most = size_bytes // _LEAST_BYTES
    parts: list[Any] = [document]
    count = 0
    for _ in _TAGS:
        lists = [
            value for part in parts if isinstance(part, dict) for value in part.values() if isinstance(value, list)
        ]
        count += sum(map(len, lists))
        if count > most:
            raise TooManyItemsError(size_bytes, most)
        parts = [part for found in lists for part in found]


def _walk(body: bytes, at: int, end: int, level: int, left: int) -> int:
    """How many more may follow after the ones in these bytes; less than none where they are too many."""
    wanted = _TAGS[level]
    while at < end and left >= 0:
        tag = body[at]
        at += 1
        if tag >= 128:
            tag, at = _varint(body, at - 1)
        kind = tag & 7
        if kind == 2:
            size = body[at]
            at += 1
            if size >= 128:
                size, at = _varint(body, at - 1)
            if tag == wanted:
                left -= 1
                if level < 2:
                    left = _walk(body, at, min(at + size, end), level + 1, left)
            at += size
        elif kind == 0:
            _, at = _varint(body, at)
        else:
            # A group (3, 4) is nobody's field; what is in it is counted as if it were not.
            at += {1: 8, 5: 4}.get(kind, 0)
    return left


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise IndexError
