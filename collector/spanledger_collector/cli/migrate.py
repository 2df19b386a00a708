"""``spanledger migrate``: bring a store's tables up to date without starting a collector."""

from __future__ import annotations

from typing import Any

import click

from spanledger_collector.cli.options import store_options
from spanledger_collector.collector import open_store
from spanledger_collector.config import load_settings


@click.command(short_help="Bring the tables of a store up to date; `serve` does so at every start.")
@store_options
def migrate(config_file: str | None, **flags: Any) -> None:
    """Apply the schema's migrations that the store does not have yet; `serve` does so at every start."""
    with open_store(load_settings(config_file, **flags)) as store:
        numbers = store.query("SELECT DISTINCT number, name FROM schema_migrations ORDER BY number").rows
    for number, name in numbers:
        click.echo(f"{number:04} {name}")
