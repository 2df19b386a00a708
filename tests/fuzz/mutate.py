"""Changes that keep a request one: fields of its messages and values of its JSON, rather than its bytes.

Most bytes changed at random make no protobuf and no JSON, and end at the first parser.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from spanledger_collector.normalise.classify import DIALECTS
from spanledger_collector.receive.signals import SIGNALS

from .subject import SIGNAL_NAMES, WAYS

NAMES = sorted({name for dialect in DIALECTS for names in dialect.fields.values() for name in names})
"""Attributes that are read."""
_TEXTS = [*NAMES, "", "\x00", "-1", "NaN", "1e999", "9" * 40, "{", '{"usage": {}}', "[[]]", "\U0001f9fe" * 40, "chat"]
_INTEGERS = [0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
_DOUBLES = [0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, float("inf"), float("nan")]
_JSON = [None, True, -1, 2**64, 0.5, 1e308, float("inf"), "", "NaN", "0x1", "\ud800", "00" * 16, [], {}, [[]], [None]]
_MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE

Bytes = Callable[[bytes], bytes]
"""libFuzzer's own change of bytes."""


def mutate(content: bytes, chance: random.Random, change: Bytes) -> bytes:
    """``content`` with something about its request changed, or its bytes where it holds none."""
    way = WAYS[content[0] % len(WAYS)] if content else ""
    signal = SIGNAL_NAMES[content[0] // len(WAYS) % len(SIGNAL_NAMES)] if content else "traces"
    for _ in range(chance.choice((1, 1, 2, 5))):
        try:
            if way == "json":
                body = json.dumps(_changed(json.loads(content[1:]), chance)).encode()
            else:
                request = SIGNALS[signal].request.FromString(content[1:])
                _change(request, chance, change)
                body = request.SerializeToString()
        except (DecodeError, ValueError, RecursionError, IndexError):
            return change(content)
        content = content[:1] + body
    return content


def _change(message: Message, chance: random.Random, change: Bytes) -> None:
    """Change one field of ``message`` or of one within it."""
    present = [field for field, _ in message.ListFields()]
    field = chance.choice(present if present and chance.random() < 0.85 else list(message.DESCRIPTOR.fields))
    if not field.is_repeated:
        if field.cpp_type == _MESSAGE:
            _change(getattr(message, field.name), chance, change)
        elif chance.random() < 0.1:
            message.ClearField(field.name)
        else:
            _set(message, field, chance, change)
        return
    items = getattr(message, field.name)
    what = chance.random()
    if not items or what < 0.1:
        items.add() if field.cpp_type == _MESSAGE else items.append(_scalar(field, chance, change, None))
    elif what < 0.2:
        del items[chance.randrange(len(items)) :]
    elif what < 0.35:
        items.append(chance.choice(items))
    elif field.cpp_type == _MESSAGE:
        _change(chance.choice(items), chance, change)


def _set(message: Message, field: FieldDescriptor, chance: random.Random, change: Bytes) -> None:
    try:
        setattr(message, field.name, _scalar(field, chance, change, getattr(message, field.name)))
    except ValueError:
        message.ClearField(field.name)  # out of the field's range


def _scalar(field: FieldDescriptor, chance: random.Random, change: Bytes, now: Any) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return change(now or b"")
            return (
                chance.choice(_TEXTS)
                if chance.random() < 0.5
                else change((now or "").encode()).decode(errors="replace")
            )
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice(_DOUBLES)
        case FieldDescriptor.CPPTYPE_BOOL:
            return not now
    return chance.choice(_INTEGERS)


def _changed(value: Any, chance: random.Random) -> Any:
    """A JSON value with one value in it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        return {**value, key: _changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        if chance.random() < 0.1:
            return [*value, value[at]]
        return [*value[:at], _changed(value[at], chance), *value[at + 1 :]]
    return chance.choice(_TEXTS if isinstance(value, str) and chance.random() < 0.5 else _JSON)
