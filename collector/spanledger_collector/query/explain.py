"""``spanledger explain``: why a task cost more or less than the median task of its agent, as a reader wants it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.ports import Result
from spanledger_collector.query.table import UNKNOWN, console_for, money, printable

QUERY = "explain_task"
_BAR_WIDTH = 24
_SMALLEST_SHOWN_USD = Decimal("0.000001")
"""A remainder below this is rounding; the forms for machines have it."""


def check_found(task: str, result: Result) -> None:
    """Raise ``BadParameterError`` where there is nothing to explain."""
    if not result.rows:
        raise BadParameterError(
            f"no priced call names the task {task!r} in this time; `spanledger query top_tasks` lists tasks"
        )


def write_explanation(result: Result, stream: TextIO) -> None:
    """Write the difference in a sentence, and its parts in a table; they add up to it."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    console = console_for(stream)
    console.print(Text(headline(rows[0]), style="bold"))
    largest = max(abs(row["difference_usd"]) for row in rows)
    grid = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    grid.add_column("part")
    for name in ("this task", "median", "difference"):
        grid.add_column(name, justify="right")
    if console.is_terminal:
        grid.add_column("")
    grid.add_column("what it is")
    for row in rows:
        if row["part"] == "other" and abs(row["difference_usd"]) < _SMALLEST_SHOWN_USD:
            continue
        style = "red" if row["difference_usd"] > 0 else "green" if row["difference_usd"] < 0 else "dim"
        cells = [Text(row["part"].replace("_", " "))]
        cells += [Text(figure(row[name], row["unit"])) for name in ("this_task", "median")]
        cells.append(Text(signed(row["difference_usd"]), style=style))
        if console.is_terminal:
            width = round(_BAR_WIDTH * abs(row["difference_usd"]) / largest) if largest else 0
            cells.append(Text("█" * width, style=style))
        cells.append(Text(f"{row['meaning']} ({row['unit']})"))
        grid.add_row(*cells)
    console.print(grid, crop=False)


def headline(row: dict[str, Any]) -> str:
    """The difference in a sentence."""
    cost, median = row["task_cost_usd"], row["median_cost_usd"]
    task, agent, other = (printable(row[name]) for name in ("task", "agent", "median_task"))
    if other == task:
        return f"{task} cost {money(cost)}: it is the median of the {row['tasks_compared']} priced tasks of {agent}."
    more = "more" if cost >= median else "less"
    return (
        f"{task} cost {money(cost)}; the median of the {row['tasks_compared']} priced tasks of {agent} ({other}) "
        f"cost {money(median)}: {money(abs(cost - median))} {more}."
    )


def figure(value: float | None, unit: str) -> str:
    """A figure behind a part; unknown is a dash."""
    if value is None:
        return UNKNOWN
    if unit.startswith("share"):
        return f"{value:.0%}"
    return f"{value:,.2f}" if unit.startswith("USD") else f"{value:,.0f}"


def signed(amount: Decimal) -> str:
    """Dollars with their sign."""
    return money(amount) if amount <= 0 else f"+{money(amount)}"
