"""``spanledger sql``: SQL of one's own on one's own store. The API never takes any."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import click

from spanledger_collector.cli.options import store_options
from spanledger_collector.cli.query import check_there_is_one
from spanledger_collector.collector import open_store_or_find_holder
from spanledger_collector.config import load_settings
from spanledger_collector.errors import DataDirectoryHeldError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.query.library import Chart, Column, Query
from spanledger_collector.query.own_statement import check_own
from spanledger_collector.query.ports import Answer, Result
from spanledger_collector.query.render import check_form, render

_PLAIN = (str, int, float, Decimal, type(None))


@click.command(short_help="Run SQL of your own on your own store; it reads the ledger and nothing else.")
@click.argument("statement")
@click.option("--format", "form", default="table", show_default=True, help="table, json, jsonl or csv.")
@store_options
def sql(statement: str, form: str, config_file: str | None, **flags: Any) -> None:
    """Run a reading STATEMENT on your own store: `SELECT agent, sum(cost_usd) FROM calls FINAL GROUP BY agent`.

    It may SELECT, EXPLAIN, DESCRIBE, SHOW TABLES and SHOW CREATE TABLE. It reads the ledger's tables, such as calls
    (with FINAL), otel_traces, price_card and price_rate; no files, no hosts, and it changes nothing.
    """
    check_form(form)
    settings = load_settings(config_file, **flags)
    check_there_is_one(settings)
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            raise DataDirectoryHeldError(
                "a running collector holds the data directory, and its API takes no SQL; stop it first, "
                "or ask it with `spanledger query`"
            )
        result = found.query_read_only(check_own(statement, found.query_read_only))
    render(described(result), plain(result), form, sys.stdout)


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
