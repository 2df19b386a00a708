"""How the spans of one scope and one set of attribute names are read without a look at any of the rules.

A plan says which attribute feeds which field of the fact. It is worked out from the same tables by which ``normalise``
reads, once a set of names, for the compiled reader to follow; there is none for spans that only code can judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from spanledger_collector.model import Kind
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.classify import READERS, dialect_of
from spanledger_collector.normalise.dialect import Dialect, Names, no_adjustment
from spanledger_collector.normalise.stated import shape_of
from spanledger_collector.normalise.values import count, number

_READERS = {
    **READERS,
    "total_tokens": count,
    "ttft_s": number,
    "tool_arguments": lambda value: value,
}
"""Those of the fact, and of what ``classify`` reads beside it."""


class Step(NamedTuple):
    """One attribute that may feed a field; of several the last that says something does."""

    at: int
    """Which of the attributes."""
    field: str
    read: Callable[[Any], Any]


class Plan(NamedTuple):
    """How to read spans of a scope with attributes of certain names, in their order."""

    dialect: str
    trust: int
    kind: Kind | None
    """What a span is that says no operation; ``None`` where only code can tell."""
    operation_at: int
    """Which attribute is the operation, as everywhere below; -1 where none is."""
    error_type_at: int
    steps: tuple[Step, ...]
    suspects: tuple[tuple[int, str], ...]
    """Attributes that look like usage and that nobody reads, by place and name."""


def plan_of(scope: str, names: Names) -> Plan | None:
    """The plan for spans of this scope and with these names, if there is one."""
    dialect = dialect_of(scope, names)
    if dialect is None or "error_type" in dialect.fields:
        return None
    declared = dialect.kind is semconv.kind and dialect.adjust is no_adjustment
    if not declared and not _conventional(dialect, names):
        return None
    shape = shape_of(dict.fromkeys(names), dialect)
    places = {name: at for at, name in enumerate(names)}
    return Plan(
        dialect.name,
        dialect.trust,
        semconv.kind_by_names(names) if declared else None,
        places.get(semconv.OPERATION, -1),
        places.get("error.type", -1),
        tuple(Step(places[name], field, _READERS[field]) for name, field in shape.fields if field in _READERS),
        tuple((places[name], name) for name in shape.unread),
    )


def _conventional(dialect: Dialect, names: Names) -> bool:
    without = dialect.conventional_without
    return without is not None and without.isdisjoint(names) and semconv.OPERATION in names
