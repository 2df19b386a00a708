"""``spanledger sql``: SQL of one's own on one's own store. The API never takes any."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from typing import Any

import click

from spanledger_collector.cli.options import store_options
from spanledger_collector.collector import open_store_or_find_holder
from spanledger_collector.config import load_settings
from spanledger_collector.errors import BadParameterError, DataDirectoryHeldError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.query.library import Chart, Column, Query
from spanledger_collector.query.ports import Answer, Result
from spanledger_collector.query.render import check_form, render

_READING = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_WRITES_A_FILE = re.compile(r"\bINTO\s+OUTFILE\b", re.IGNORECASE)
_PLAIN = (str, int, float, Decimal, type(None))


@click.command()
@click.argument("statement")
@click.option("--format", "form", default="table", show_default=True, help="table, json, jsonl or csv.")
@store_options
def sql(statement: str, form: str, config_file: str | None, **flags: Any) -> None:
    """Run a reading STATEMENT on your own store: `SELECT agent, sum(cost_usd) FROM calls FINAL GROUP BY agent`.

    Tables: calls (read it with FINAL), otel_traces, facts, price_card, price_rate.
    """
    check_form(form)
    check_reading(statement)
    with open_store_or_find_holder(load_settings(config_file, **flags)) as found:
        if isinstance(found, Holder):
            raise DataDirectoryHeldError(
                "a running collector holds the data directory, and its API takes no SQL; stop it first, "
                "or ask it with `spanledger query`"
            )
        result = found.query_read_only(statement)
    render(described(result), plain(result), form, sys.stdout)


def check_reading(statement: str) -> None:
    """Raise ``BadParameterError`` where the statement is not one that only reads; the store refuses such, too."""
    first = (_COMMENT.sub(" ", statement).lstrip(" \n\t(").split() or [""])[0].upper()
    if first not in _READING:
        raise BadParameterError(f"only statements that read are run: {', '.join(_READING)}; this begins with {first!r}")
    if _WRITES_A_FILE.search(statement):
        raise BadParameterError("INTO OUTFILE is not run; redirect the output: spanledger sql ... --format csv > FILE")


def described(result: Result) -> Query:
    """A question of which nothing is known but its columns."""
    rows = result.rows[:1]
    units = ["name" if isinstance(value, str) else "number" for row in rows for value in plain_row(row)]
    columns = tuple(Column(name, unit, "") for name, unit in zip(result.columns, units, strict=bool(rows)))
    table = tuple(column.name for column in columns)
    return Query("sql", "", "", "", (), columns, Chart("table", "", ""), table, "")


def plain(result: Result) -> Answer:
    """The answer with values that every form can show."""
    return Answer(result.columns, [plain_row(row) for row in result.rows])


def plain_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Times, ids and lists as text; numbers, money and names as they are."""
    return tuple(value if isinstance(value, _PLAIN) else str(value) for value in row)
