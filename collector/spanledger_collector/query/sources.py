"""What questions read instead of tables: ``FROM SOURCE(grain) AS alias`` stands for ``queries/sources/SOURCE.sql``.

It may be joined, too: ``JOIN SOURCE(grain) AS alias ON condition``, in one line. A source is text and no view of the
database, as ClickHouse analyses a parameterized view twice, a view within a view four times, and every column of it
though a question reads a few: that took longer than reading the roll-ups. So the statement has the source in its
place, with the columns that it reads.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from textwrap import indent

_USE = re.compile(
    r"\b(?P<reads>FROM|JOIN) (?P<name>\w+)\((?P<grain>.*)\) AS (?P<alias>\w+)(?P<on>(?: ON .+)?)$", re.MULTILINE
)
_COLUMNS = re.compile(r"(?<=^SELECT\n)(?: {4}.+\n)+(?=FROM )", re.MULTILINE)
_COLUMN_END = re.compile(r",\n(?= {4}\S)")
_NAME = re.compile(r"\w+$")


def expanded(sql: str) -> str:
    """The statement with every source that it reads in its place."""

    def in_place(use: re.Match[str]) -> str:
        if use["name"] not in _texts():
            return use[0]
        read = frozenset(re.findall(rf"\b{use['alias']}\.(\w+)", sql))
        source = expanded(_narrowed(_texts()[use["name"]], read)).replace("{grain}", use["grain"])
        return f"{use['reads']} (\n{indent(source, '    ')}\n) AS {use['alias']}{use['on']}"

    return _USE.sub(in_place, sql)


def _narrowed(source: str, read: frozenset[str]) -> str:
    """The source with the columns that are read alone, in each of its parts."""

    def kept(columns: re.Match[str]) -> str:
        found = _COLUMN_END.split(columns[0].rstrip("\n"))
        return ",\n".join(column for column in found if column_name(column) in read) + "\n"

    return _COLUMNS.sub(kept, source)


def column_name(column: str) -> str:
    """The name of a column of a SELECT: what stands behind its AS, or the column itself."""
    name = _NAME.search(column)
    return name[0] if name else ""


def columns_of(source: str) -> list[list[str]]:
    """The names of a source's columns, a list for each of its parts."""
    parts = _COLUMNS.findall(_texts()[source])
    return [[column_name(column) for column in _COLUMN_END.split(part.rstrip("\n"))] for part in parts]


@cache
def _texts() -> dict[str, str]:
    """The statement of each source by its name, without the comment that it begins with."""
    files = (
        file for file in (resources.files("spanledger_queries") / "sources").iterdir() if file.name.endswith(".sql")
    )
    return {
        file.name.removesuffix(".sql"): re.sub(r"\A(?:--.*\n)+", "", file.read_text(encoding="utf-8")).strip()
        for file in files
    }
