"""The table form of an answer: ruled and coloured on a terminal, bare columns when piped."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spanledger_collector.query.library import Column, Query
from spanledger_collector.query.ports import Result

UNKNOWN = "-"
_PIPED_WIDTH = 10_000
"""Wide enough that rich never folds a column of piped output."""
_PLACES_OF_MONEY = 12
_BLOCKS = "▁▂▃▄▅▆▇█"
_LONGEST_COURSE = 100
_TEXT_UNITS = {"name", "time", "flag"}


def write_table(query: Query, result: Result, stream: TextIO) -> None:
    """Write the columns that the question names for its table, and a line on what its totals leave out."""
    console = console_for(stream)
    by_name = {column.name: column for column in query.columns}
    box, padding = (SIMPLE_HEAD, 0) if console.is_terminal else (None, (0, 1))
    grid = Table(box=box, padding=padding, pad_edge=False, header_style="bold")
    bodies = []
    styles = []
    for name in query.table:
        column, place = by_name[name], result.columns.index(name)
        body = [cell(column, row[place]) for row in result.rows]
        styles.append([style(column, row[place]) for row in result.rows])
        bodies.append(body)
        # Better a line that the terminal breaks than a figure cut short.
        longest_word = max(cell_len(word) for word in " ".join((heading(column), *body)).split())
        justify: Literal["left", "right"] = "left" if column.unit in _TEXT_UNITS else "right"
        grid.add_column(heading(column), justify=justify, min_width=longest_word)
    for row, row_styles in zip(zip(*bodies, strict=True), zip(*styles, strict=True), strict=True):
        grid.add_row(*map(Text, row, row_styles))
    if result.rows:
        console.print(grid, crop=False)
    if console.is_terminal and (line := course(query, result)):
        console.print(Text(line, style="cyan"))
    console.print(Text(footer(result), style="yellow" if unpriced(result)[0] else "dim"))


def console_for(stream: TextIO) -> Console:
    """A console that folds and colours on a terminal, and does neither where ``stream`` is a file or pipe."""
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _PIPED_WIDTH)


def heading(column: Column) -> str:
    """The column's name as words; the dollar sign and the word total go without saying in a table."""
    return column.name.removeprefix("total_").removesuffix("_usd").replace("_", " ")


def cell(column: Column, value: Any) -> str:
    """A value as a reader wants it; unknown is a dash, never a zero."""
    if value is None:
        return UNKNOWN
    if column.unit == "USD":
        return money(value)
    if column.unit == "share":
        return f"{value:.0%}"
    if column.unit == "time":
        return str(value).replace("T", " ")[:19]
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def style(column: Column, value: Any) -> str:
    """How a terminal shows a value: what failed or went up stands out, what is not known stands back."""
    if value is None:
        return "dim"
    if column.name == "status":
        return "red" if value == "error" else ""
    if column.name.startswith("change") and value:
        return "red" if value > 0 else "green"
    return "yellow" if column.unit == "flag" and value else ""


def course(query: Query, result: Result) -> str:
    """The figure that the question draws over time, as a line of blocks; '' where there is no course to draw."""
    units = {column.name: column.unit for column in query.columns}
    if units.get(query.chart.category) != "time" or len(result.rows) < 2:
        return ""
    column = next(column for column in query.columns if column.name == query.chart.value)
    place = result.columns.index(column.name)
    return f"{heading(column)}  {sparkline([row[place] for row in result.rows])}"


def sparkline(values: Sequence[Decimal | float | None]) -> str:
    """One block a value, from nothing to the largest; a space where the value is not known. The last hundred."""
    shown = values[-_LONGEST_COURSE:]
    largest = max((float(value) for value in shown if value is not None), default=0.0)
    if largest <= 0:
        return ""
    last = len(_BLOCKS) - 1
    return "".join(" " if v is None else _BLOCKS[max(0, round(float(v) / largest * last))] for v in shown)


def printable(name: str) -> str:
    """A name as it may be shown: it comes from an emitter, and an escape sequence in it must not reach the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)


def money(amount: Decimal) -> str:
    """Dollars and cents from one dollar up, four places below it, two significant digits below a cent."""
    size = abs(amount)
    sign = "-" if amount < 0 else ""
    if size >= 1 or not size:
        return f"{sign}${size:,.2f}"
    if size >= Decimal("0.01"):
        return f"{sign}${size:.4f}"
    return f"{sign}${size:.{min(1 - size.adjusted(), _PLACES_OF_MONEY)}f}"


def unpriced(result: Result) -> tuple[int, int | None]:
    """Calls and tokens that the totals of ``result`` leave out; tokens are None where none are known."""
    if not {"unpriced_calls", "unpriced_tokens"} <= set(result.columns):
        return 0, 0
    calls, tokens = result.columns.index("unpriced_calls"), result.columns.index("unpriced_tokens")
    left_out = [row for row in result.rows if row[calls]]
    told = [row[tokens] for row in left_out if row[tokens] is not None]
    return sum(row[calls] for row in left_out), sum(told) if told or not left_out else None


def footer(result: Result) -> str:
    """How many rows there are, and how much they leave unpriced."""
    rows = _counted(len(result.rows), "row")
    calls, tokens = unpriced(result)
    if not calls:
        return rows
    size = "an unknown number of tokens" if tokens is None else _counted(tokens, "known token")
    return f"{rows}; no price is known for {_counted(calls, 'call')} with {size}, which no cost includes"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
