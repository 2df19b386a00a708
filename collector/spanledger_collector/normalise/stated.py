"""What attributes state in the words of a dialect: worked out once for each set of names, not once a span.

An emitter's spans have few sets of names, so that a span costs one look-up and the conversion of what it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from spanledger_collector.model import Attributes
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Names
from spanledger_collector.normalise.unread import unread_names

_MAX_SHAPES = 512
_MAX_SHAPE_CHARACTERS = 4096
"""Longer sets of names are worked out each time: what is remembered of hostile ones stays below 2 MB a dialect."""


@dataclass(slots=True, frozen=True)
class Shape:
    """What a set of attribute names can say."""

    fields: tuple[tuple[str, str], ...]
    """Attribute name and field of ``Fact``; of several names of a field the preferred comes last."""
    unread: Names
    """Names that look like usage and that the dialect does not read, sorted."""


@dataclass(slots=True)
class _Vocabulary:
    """The names a dialect reads, by field, and the shapes met so far."""

    names: dict[str, Names]
    shapes: dict[Names, Shape] = field(default_factory=dict)


def shape_of(attributes: Attributes, dialect: Dialect) -> Shape:
    """What the names of ``attributes`` can say in ``dialect``, and whom it is for in any."""
    names = tuple(attributes)
    vocabulary = _vocabulary(dialect)
    known = vocabulary.shapes.get(names)
    if known is not None:
        return known
    shape = Shape(
        tuple(
            (name, field)
            for field, candidates in vocabulary.names.items()
            for name in reversed(candidates)
            if name in attributes
        ),
        unread_names(names, dialect),
    )
    if sum(map(len, names)) <= _MAX_SHAPE_CHARACTERS:
        if len(vocabulary.shapes) >= _MAX_SHAPES:
            vocabulary.shapes.clear()
        vocabulary.shapes[names] = shape
    return shape


def stated(attributes: Attributes, shape: Shape) -> dict[str, Any]:
    """Field of ``Fact`` → the value of the preferred attribute that is there and not empty."""
    values = {}
    for name, field_name in shape.fields:
        value = attributes[name]
        if value is not None and value != "":
            values[field_name] = value
    return values


@lru_cache(maxsize=256)
def _vocabulary(dialect: Dialect) -> _Vocabulary:
    fields = (*dialect.fields, *(name for name in IDENTITY if name not in dialect.fields))
    return _Vocabulary({name: (*dialect.fields.get(name, ()), *IDENTITY.get(name, ())) for name in fields})
