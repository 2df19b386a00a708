"""``spanledger query``: a question of the library, answered by the running collector or from the store itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from spanledger_collector.cli.options import store_options
from spanledger_collector.collector import open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import BadParameterError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.query.command import run_query
from spanledger_collector.query.ports import Asker
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.web.client import ApiAsker


@click.command()
@click.argument("name", required=False)
@click.option("--format", "form", default="table", show_default=True, help="table, json, jsonl or csv.")
@click.option("--param", "assignments", multiple=True, metavar="KEY=VALUE", help="A parameter of the question.")
@click.option("--since", metavar="TIME", help="ISO 8601, or as long ago as 7d, 12h, 30m.")
@click.option("--until", metavar="TIME", help="The same forms.")
@click.option("--sql", is_flag=True, help="Print the statement instead of running it.")
@store_options
def query(
    name: str | None,
    form: str,
    assignments: tuple[str, ...],
    since: str | None,
    until: str | None,
    sql: bool,
    config_file: str | None,
    **flags: Any,
) -> None:
    """Answer a question about the ledger; without NAME list all questions."""
    settings = load_settings(config_file, **flags)
    run_query(
        lambda: open_asker(settings),
        name,
        assignments,
        since=since,
        until=until,
        form=form,
        sql=sql,
        stream=sys.stdout,
    )


@contextmanager
def open_asker(settings: Settings) -> Iterator[Asker]:
    """Who answers questions: the collector that holds the data directory over its API, else the store itself.

    Raises:
        BadParameterError: there is no ledger to ask.
    """
    check_there_is_one(settings)
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            yield ApiAsker(found.api, token=settings.token.get_secret_value(), certificate=found.certificate)
        else:
            yield StoreAsker(found)


def check_there_is_one(settings: Settings) -> None:
    """Raise ``BadParameterError`` where there is no data directory: a misspelt one would look like an empty ledger."""
    if not settings.clickhouse and not settings.data.exists():
        raise BadParameterError(
            f"there is no ledger in {settings.data}; `spanledger serve` or `spanledger demo` starts one, "
            "or name another with --data"
        )
