"""Attributes that look like token counts or costs and that nobody reads: how an unknown dialect shows itself.

``spanledger query emitters`` lists them. What an attribute's name looks like is decided once a name, not once a span.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from spanledger_collector.model import Attributes
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect
from spanledger_collector.normalise.values import mapping, number

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TOKEN_COUNT = frozenset(("token", "count"))
_MONEY_OR_USAGE = frozenset(("usage", "cost", "costs"))
_NO_COUNT = frozenset(("max", "limit", "budget", "price", "rate", "per", "second", "cpu", "memory", "disk", "total"))
"""Words of settings, speeds and machines. A total says nothing that its parts do not."""
_MAX_NAMES = 10
_MAX_NAME_CHARACTERS = 100
_MAX_HARMLESS = 10_000

_harmless: set[str] = set()


def unread_names(names: Iterable[str], dialect: Dialect) -> tuple[str, ...]:
    """Those of ``names`` that may state usage and that ``dialect`` does not read, sorted."""
    return tuple(sorted(name for name in names if _unread(name, dialect)))


def unread_usage(attributes: Attributes, suspects: Iterable[str]) -> str:
    """Those of the ``suspects`` (of ``unread_names``) whose values may indeed state usage, comma-separated."""
    return _listed(name for name in suspects if _counts(attributes[name]))


def plain_usage(attributes: Attributes) -> str:
    """The same for a span of no dialect, of token counts only, and made for the many spans that state none."""
    if attributes.keys() <= _harmless:
        return ""
    found = [name for name in attributes if names_tokens(name)]
    if len(_harmless) < _MAX_HARMLESS:
        _harmless.update(attributes.keys() - set(found))
    return _listed(name for name in found if _counts(attributes[name]))


def names_tokens(name: str) -> bool:
    """Whether an attribute of this name may be a token count."""
    return _names_tokens(_words(name))


@lru_cache(maxsize=65536)
def _unread(name: str, dialect: Dialect) -> bool:
    return _looks_like_usage(name) and name not in _read_by(dialect) and not name.startswith(_prefixes(dialect))


@lru_cache(maxsize=256)
def _read_by(dialect: Dialect) -> frozenset[str]:
    tables = (dialect.fields, semconv.FIELDS)
    return frozenset(dialect.understood).union(name for table in tables for names in table.values() for name in names)


@lru_cache(maxsize=256)
def _prefixes(dialect: Dialect) -> tuple[str, ...]:
    return tuple(name for name in (*dialect.understood, *semconv.UNDERSTOOD) if name.endswith("."))


def _looks_like_usage(name: str) -> bool:
    words = _words(name)
    return _names_tokens(words) or (words.isdisjoint(_NO_COUNT) and not words.isdisjoint(_MONEY_OR_USAGE))


def _names_tokens(words: set[str]) -> bool:
    return words.isdisjoint(_NO_COUNT) and ("tokens" in words or words >= _TOKEN_COUNT)


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name[:_MAX_NAME_CHARACTERS])}


def _counts(value: object) -> bool:
    """Whether a value may be a count: a number above zero, or a map of several."""
    return bool(number(value)) or bool(mapping(value))


def _listed(names: Iterable[str]) -> str:
    return ",".join(name[:_MAX_NAME_CHARACTERS].replace(",", "_") for name in sorted(names)[:_MAX_NAMES])
