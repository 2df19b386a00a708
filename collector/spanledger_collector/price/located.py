"""YAML that remembers its lines, so that a mistake can be named by file, line and field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from spanledger_collector.errors import BadInputError
from spanledger_collector.price.card import NS_PER_SECOND


class Table(dict[str, Any]):
    """A YAML mapping with the line it begins on, and that of each of its keys."""

    line = 1
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """``SafeLoader`` whose mappings are ``Table``, and whose keys occur once."""


def _table(loader: _Loader, node: yaml.MappingNode) -> Iterator[Table]:
    table = Table()
    table.line, table.lines = node.start_mark.line + 1, {}
    yield table
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in table:
            raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", key_node.start_mark)
        table.lines[key] = key_node.start_mark.line + 1
        table[key] = loader.construct_object(value_node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _table)


@dataclass(frozen=True, slots=True)
class Place:
    """A table in a file, and its path there, such as ``prices[0].cards[1]``. Reads fields, or says what is wrong."""

    file: str
    path: str
    table: Table

    @classmethod
    def top(cls, text: str, file: str) -> Place:
        """The whole file.

        Raises:
            BadInputError: the text is not YAML, or no mapping.
        """
        try:
            content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadInputError(f"{file}:{line}: this is not YAML: {error.problem}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise BadInputError(f"{file}:1: this is not YAML: {error}") from None
        if content is not None and not isinstance(content, Table):
            raise BadInputError(f"{file}:1: expected fields at the top, such as prices:")
        top = Table()
        top.lines = {}
        return cls(file, "", top if content is None else content)

    def where(self, field: str = "") -> str:
        """``file:line: path.field``."""
        path = f"{self.path}.{field}".strip(".")
        return f"{self.file}:{self.table.lines.get(field, self.table.line)}: {path}".rstrip(": ")

    def mistake(self, message: str, field: str = "") -> BadInputError:
        """The error to raise for what a field holds, or lacks."""
        return BadInputError(f"{self.where(field)}: {message}")

    def only(self, *known: str) -> None:
        """Refuse fields that are none of ``known``."""
        for field in self.table:
            if field not in known:
                raise self.mistake(f"there is no such field here; known are {', '.join(sorted(known))}", field)

    def text(self, field: str, default: str | None = None) -> str:
        """A text; required where there is no ``default``."""
        value = self.table.get(field, default)
        if not isinstance(value, str):
            raise self.mistake("write it as a text" if field in self.table else f"{field} is missing", field)
        return value

    def flag(self, field: str) -> bool:
        """True or false; false where it is not there."""
        value = self.table.get(field, False)
        if not isinstance(value, bool):
            raise self.mistake("write true or false", field)
        return value

    def amount(self, field: str) -> Decimal:
        """A number of nought or more, exact: a quoted text, as YAML's own numbers are binary floats."""
        value = self.table.get(field)
        try:
            amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            raise self.mistake(f"{value!r} is no amount; write a quoted number, like '0.435'", field)
        return amount

    def whole(self, field: str) -> int:
        """A whole number of nought or more."""
        value = self.table.get(field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.mistake("write a whole number, like 200000", field)
        return value

    def instant_ns(self, field: str, default_ns: int | None = None) -> int:
        """Nanoseconds since the epoch; a time without a zone, or a day, is UTC."""
        if field not in self.table and default_ns is not None:
            return default_ns
        value = self.table.get(field)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            raise self.mistake("write a time like 2026-08-16T16:00:00Z", field)
        instant = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(instant.timestamp()) * NS_PER_SECOND

    def inner(self, field: str) -> Place:
        """The table that a field holds."""
        return self._place(self.table.get(field), field)

    def each(self, field: str) -> list[Place]:
        """The tables in the list that a field holds; none where it is not there."""
        values = self.table.get(field, [])
        if not isinstance(values, list):
            raise self.mistake("write a list, each entry after a dash", field)
        return [self._place(value, f"{field}[{index}]") for index, value in enumerate(values)]

    def _place(self, value: object, name: str) -> Place:
        if not isinstance(value, Table):
            raise self.mistake("write fields, each with its value", name.partition("[")[0])
        return Place(self.file, f"{self.path}.{name}".strip("."), value)
