"""``spanledger status``: how much there is, and how much waits."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from spanledger_collector.cli.options import store_options
from spanledger_collector.collector import dead_letters_of, open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.export.status import status_of
from spanledger_collector.query.table import console_for
from spanledger_collector.web.client import ApiStatus

_SIZES = ("rows", "bytes", "parts")


@click.command(short_help="Show how much there is, and how much waits.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
@store_options
def status(form: str, config_file: str | None, **flags: Any) -> None:
    """Show rows, bytes and parts of each table, the oldest and the newest call, and what waits in the journal."""
    state = _state(load_settings(config_file, **flags))
    if form == "json":
        click.echo(json.dumps(state))
        return
    console = console_for(sys.stdout)
    box, padding = (SIMPLE_HEAD, 0) if console.is_terminal else (None, (0, 1))
    columns = (Column(name, justify="right") for name in _SIZES)
    table = Table("table", *columns, box=box, padding=padding, pad_edge=False, header_style="bold")
    for row in state["tables"]:
        table.add_row(row["table"], *(f"{row[name]:,}" for name in _SIZES))
    console.print(table)
    click.echo(f"oldest call  {state['oldest_call'] or 'none'}\nnewest call  {state['newest_call'] or 'none'}")
    if letters := state["dead_letters"]:
        click.echo(f"dead letters {letters:,} requests could not be processed; dead_letter/ in the data says why")
    journal = state["journal"]
    if journal is None:
        click.echo("journal      no collector runs on this data directory")
        return
    click.echo(
        f"journal      {journal['requests']:,} requests, {journal['spans']:,} spans, {journal['bytes']:,} bytes wait; "
        f"the oldest for {journal['lag_s']:.1f} s"
    )
    if forward := state["forward"]:
        click.echo(
            f"forward      {forward['requests']:,} requests, {forward['bytes']:,} bytes wait for the target; "
            f"the oldest for {forward['lag_s']:.1f} s"
        )


def _state(settings: Settings) -> dict[str, Any]:
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            token = settings.token.get_secret_value()
            return ApiStatus(found.api, token=token, certificate=found.certificate).status()
        return {
            **status_of(found),
            "journal": None,
            "forward": None,
            "dead_letters": dead_letters_of(settings).count,
        }
