"""The question library: ``spanledger_queries/*.sql``, each file's header parsed into a ``Query``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from itertools import takewhile

from spanledger_collector.errors import UnknownQueryError
from spanledger_collector.query.sources import expanded

_FIELD = re.compile(r"-- (\w+):\s*(.*)")
_ENTRY = re.compile(r"--\s{2,}(.+)")
_CHART = re.compile(r"(\w+)(?: of (\w+))?(?: by (\w+))?")
_GAP = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A placeholder of the statement: its ClickHouse type, and the default as a user would write it."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the answer; ``unit`` is USD, ms, share, ratio, time, flag, name or the thing counted."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Chart:
    """How the answer is best drawn: ``kind`` is table, figure, bar or stack; the others name columns."""

    kind: str
    value: str
    category: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question; ``table`` names the columns of its table form, ``sql`` is the statement alone."""

    name: str
    title: str
    purpose: str
    grain: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    chart: Chart
    table: tuple[str, ...]
    sql: str


def parse(name: str, text: str) -> Query:
    """Read a question from the text of its file.

    Raises:
        ValueError: the header lacks a field or has a line that is none of a header's.
    """
    header = list(takewhile(lambda line: line.startswith("--"), text.splitlines()))
    fields: dict[str, str] = {}
    entries: dict[str, list[str]] = {}
    section = ""
    for line in header:
        if entry := _ENTRY.fullmatch(line):
            entries.setdefault(section, []).append(entry[1])
        elif found := _FIELD.fullmatch(line):
            section = found[1]
            fields[section] = found[2]
        else:
            raise ValueError(f"{name}.sql: no header line: {line}")
    try:
        chart = _CHART.fullmatch(fields["chart"])
        if chart is None:
            raise ValueError(f"{name}.sql: no chart hint: {fields['chart']}")
        columns = tuple(Column(*_GAP.split(entry, maxsplit=2)) for entry in entries["columns"])
        return Query(
            name=name,
            title=fields["title"],
            purpose=fields["purpose"],
            grain=fields["grain"],
            parameters=tuple(_parameter(entry) for entry in entries["parameters"]),
            columns=columns,
            chart=Chart(chart[1], chart[2] or "", chart[3] or ""),
            table=tuple(" ".join(entries.get("table", [])).split()) or tuple(c.name for c in columns),
            sql=expanded("\n".join(text.splitlines()[len(header) :]).strip()),
        )
    except KeyError as missing:
        raise ValueError(f"{name}.sql: the header has no {missing}") from None


def _parameter(entry: str) -> Parameter:
    name, kind, default, meaning = _GAP.split(entry, maxsplit=3)
    return Parameter(name, kind, "" if default == "''" else default, meaning)


@cache
def load() -> dict[str, Query]:
    """Every question of the library, by name, in alphabetical order."""
    files = (file for file in resources.files("spanledger_queries").iterdir() if file.name.endswith(".sql"))
    queries = (parse(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files)
    return {query.name: query for query in sorted(queries, key=lambda query: query.name)}


def find(name: str) -> Query:
    """The question of that name.

    Raises:
        UnknownQueryError: there is none; the message suggests the nearest.
    """
    queries = load()
    if name in queries:
        return queries[name]
    near = get_close_matches(name, queries, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(queries)}"
    raise UnknownQueryError(f"no query is named {name!r}; {hint}")
