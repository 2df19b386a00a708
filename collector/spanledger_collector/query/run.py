"""From a question and its parameters as written to an answer of the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.library import Parameter, Query, find
from spanledger_collector.query.ports import Answer, Result, Store

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_AGO_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d{1,9})(?!\d)")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2262, 1, 1, tzinfo=UTC)
"""DateTime64(9) ends in April 2262, and no call is older than the epoch."""
_LARGEST_UINT64 = 2**64 - 1
_CHOICE = re.compile(r"'([^']*)'")


class StoreAsker:
    """Answers questions from an open store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ask(self, name: str, texts: Mapping[str, str]) -> Result:
        """Answer the question ``name``; errors as ``Asker.ask`` tells them."""
        query = find(name)
        result = self._store.query(query.sql, bind(query, texts))
        # Where there are no rows chDB names no columns either.
        return Answer(tuple(column.name for column in query.columns), result.rows)


def split_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """``("team=core", "limit=5")`` as a mapping.

    Raises:
        BadParameterError: one is not of the form ``key=value``.
    """
    texts: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not (name and equals):
            raise BadParameterError(f"a parameter is written key=value, as in team=platform; got {assignment!r}")
        texts[name] = text
    return texts


def bind(query: Query, texts: Mapping[str, str], now: datetime | None = None) -> dict[str, Any]:
    """Values for every placeholder of ``query``: the texts, checked against their types, and the defaults.

    Times become ``YYYY-MM-DD hh:mm:ss.nnnnnnnnn`` in UTC: a ``datetime`` would lose the nanoseconds.

    Raises:
        BadParameterError: the question does not take a parameter, or not that value.
    """
    now = now or datetime.now(UTC)
    known = {parameter.name: parameter for parameter in query.parameters}
    for name in texts:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(known)}"
            raise BadParameterError(f"query {query.name!r} takes no parameter {name!r}; {hint}")
    values = {name: _value(parameter, texts.get(name, parameter.default), now) for name, parameter in known.items()}
    if "since" in values and "until" in values and values["since"] >= values["until"]:
        raise BadParameterError(f"since ({values['since']}) is not before until ({values['until']})")
    return values


def _value(parameter: Parameter, text: str, now: datetime) -> Any:
    try:
        if parameter.type.startswith("DateTime64"):
            return instant(text, now)
        if parameter.type.startswith("Enum"):
            return _one_of(text, _CHOICE.findall(parameter.type))
        return _whole_number(text) if parameter.type == "UInt64" else text
    except (ValueError, OverflowError) as reason:
        raise BadParameterError(
            f"parameter {parameter.name!r} does not take {text!r}: {reason} "
            f"(type {parameter.type}, default {parameter.default!r})"
        ) from None


def _one_of(text: str, choices: list[str]) -> str:
    if text not in choices:
        raise ValueError(f"it is one of {', '.join(choice or repr(choice) for choice in choices)}")
    return text


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", text) or int(text) > _LARGEST_UINT64:
        raise ValueError("write a whole number")
    return int(text)


def instant(text: str, now: datetime) -> str:
    """``YYYY-MM-DD hh:mm:ss.nnnnnnnnn`` in UTC, from ISO 8601 or an age before ``now``; else ``ValueError``."""
    if ago := _AGO.fullmatch(text):
        moment = now - timedelta(**{_AGO_UNITS[ago[2]]: int(ago[1])})
        nanoseconds = f"{moment.microsecond:06d}000"
    else:
        fraction = _FRACTION.search(text)
        nanoseconds = (fraction[1] if fraction else "").ljust(9, "0")
        try:
            moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
        except ValueError:
            raise ValueError("write ISO 8601, as in 2026-01-31T12:00:00Z, or an age, as in 7d, 12h, 30m") from None
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("it is not between 1970 and 2262")
    return f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds}"
