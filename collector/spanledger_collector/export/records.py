"""Records as Native blocks: the type of each field in ``model`` says how its column is written.

Columns of a driver's general insert cost several times as much as the whole of the merge; these are joined from
elements that are made once for each value that occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, get_type_hints

from spanledger_collector.compiled import twin
from spanledger_collector.model import Call, Fact, Kind, Status
from spanledger_collector.native import block, numbers, sized

_Values = Sequence[Any]
_PICO_DIGITS = 12


@dataclass(slots=True, frozen=True)
class Column:
    """How the values of a column are written; a column that is ``empty`` in all rows is left to the store."""

    kind: str
    """Type of the column in the block; the store casts it to that of its own, as from String to LowCardinality."""
    empty: Any
    data: Callable[[_Values], bytes]


@dataclass(slots=True, frozen=True)
class Table:
    """The columns of a table by name, in the order of the values of its rows."""

    name: str
    columns: dict[str, Column]

    @property
    def empty_row(self) -> dict[str, Any]:
        """What the store makes of each column that a row does not have."""
        return {name: column.empty for name, column in self.columns.items()}

    def block(self, rows: Collection[tuple[Any, ...]], *more: _Values) -> tuple[tuple[str, ...], bytes]:
        """The names of the columns that are not empty, and the rows as one block; ``rows`` is not empty.

        ``more`` are the last columns, of which ``rows`` have no values.
        """
        compiled = twin("export.compiled_records")
        if compiled is not None:
            return _layout(compiled, self.name).block(rows, more)  # type: ignore[no-any-return]
        told = [
            (name, column.kind, column.data(values))
            for (name, column), values in zip(
                self.columns.items(), (*zip(*rows, strict=True), *map(tuple, more)), strict=True
            )
            if values.count(column.empty) < len(values)
        ]
        return tuple(name for name, _, _ in told), block(told, len(rows))


def column_name(field: str) -> str:
    """The column of a field: one of nanoseconds is a DateTime64, which needs no unit in its name."""
    return field.removesuffix("_ns")


def _texts(values: _Values) -> bytes:
    elements = {value: sized(value.encode()) for value in set(values)}
    return b"".join(map(elements.__getitem__, values))


def _nullable(data: Callable[[_Values], bytes]) -> Callable[[_Values], bytes]:
    """A column with a map of what is missing before it."""

    def with_nulls(values: _Values) -> bytes:
        return bytes([value is None for value in values]) + data([value or 0 for value in values])

    return with_nulls


def _integers(values: _Values) -> bytes:
    return numbers("Q", values)


def _times(values: _Values) -> bytes:
    return numbers("q", values)


def _floats(values: _Values) -> bytes:
    return numbers("d", values)


def _money(values: _Values) -> bytes:
    return numbers("q", map(_pico_usd, values))


def _pico_usd(usd: Decimal | int) -> int:
    return int(Decimal(usd).scaleb(_PICO_DIGITS))


_TEXT = Column("String", "", _texts)
_COUNT = Column("UInt64", 0, _integers)
_COLUMNS: dict[Any, Column] = {
    str: _TEXT,
    Kind: _TEXT,
    Status: _TEXT,
    bool: Column("Bool", False, bytes),
    int: _COUNT,
    int | None: Column("Nullable(UInt64)", None, _nullable(_integers)),
    float: Column("Float64", 0.0, _floats),
    float | None: Column("Nullable(Float64)", None, _nullable(_floats)),
    Decimal | None: Column("Nullable(Decimal(18, 12))", None, _nullable(_money)),
}
_TIME = Column("DateTime64(9)", 0, _times)


def _columns(record: type[Fact | Call]) -> dict[str, Column]:
    types = get_type_hints(record)
    return {column_name(name): _TIME if name.endswith("_ns") else _COLUMNS[types[name]] for name in record._fields}


CALLS = Table("calls", {**_columns(Call), "version": _COUNT, "is_deleted": _COUNT})
FACTS = Table("facts", {**_columns(Fact), "match_key": _COUNT, "variant": _COUNT})


@cache
def _layout(compiled: Any, table: str) -> Any:
    """What the compiled twin writes the blocks of a table by."""
    columns = {"calls": CALLS, "facts": FACTS}[table].columns
    return compiled.Layout([(name, column.kind) for name, column in columns.items()], _pico_usd)
