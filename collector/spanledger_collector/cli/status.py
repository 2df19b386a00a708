"""``spanledger status``: how much there is, and how much waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from spanledger_collector.cli.options import store_options
from spanledger_collector.cli.query import check_there_is_one
from spanledger_collector.collector import JOURNAL_FILE, dead_letters_of, open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import PermanentError, StoreUnavailableError
from spanledger_collector.export.data_directory import DataDirectory, Holder
from spanledger_collector.export.status import status_of, unknown_status
from spanledger_collector.journal import told, waiting_in
from spanledger_collector.query.table import console_for
from spanledger_collector.web.client import ApiStatus

_SIZES = ("rows", "bytes", "parts")
_CONNECT_TIMEOUT_S = 1.0
"""Whoever asks how things are does not wait for a server to start."""


@click.command(short_help="Show how much there is, and how much waits.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
@store_options
def status(form: str, config_file: str | None, **flags: Any) -> None:
    """Show rows, bytes and parts of each table, the oldest and the newest call, and what waits in the journal.

    Without a running collector what a stopped one left in the journal of --data is shown, and stays there.
    """
    settings = load_settings(config_file, **flags)
    check_there_is_one(settings)
    state = _state(settings)
    if form == "json":
        click.echo(json.dumps(state))
    else:
        _show(state, settings)
    if state["store"] != "ok":
        sys.exit(1)


def _show(state: Mapping[str, Any], settings: Settings) -> None:
    if state["store"] == "ok":
        _show_store(state)
    else:
        click.echo(f"store        {state['store']}")
    if letters := state["dead_letters"]:
        click.echo(f"dead letters {letters:,} requests could not be processed; dead_letter/ in the data says why")
    click.echo(f"collector    {state['collector'] or f'none runs on {settings.data}'}")
    if why := state.get("journal_unread"):
        click.echo(f"journal      {why}")
    for name, target in (("journal", "the store"), ("forward", "the target")):
        if waits := state[name]:
            sizes = ", ".join(f"{waits[size]:,} {size}" for size in ("requests", "spans", "bytes"))
            much = f"{sizes} wait for {target}; the oldest for {waits['lag_s']:.1f} s"
            click.echo(f"{name:12} {much if waits['requests'] else f'nothing waits for {target}'}")


def _show_store(state: Mapping[str, Any]) -> None:
    console = console_for(sys.stdout)
    box, padding = (SIMPLE_HEAD, 0) if console.is_terminal else (None, (0, 1))
    columns = (Column(name, justify="right") for name in _SIZES)
    table = Table("table", *columns, box=box, padding=padding, pad_edge=False, header_style="bold")
    for row in state["tables"]:
        table.add_row(row["table"], *(f"{row[name]:,}" for name in _SIZES))
    console.print(table)
    click.echo(f"oldest call  {state['oldest_call'] or 'none'}\nnewest call  {state['newest_call'] or 'none'}")
    # A collector of an earlier version says nothing of them.
    if not_applied := state.get("missing_migrations"):
        numbers = ", ".join(f"{number:04d}" for number in not_applied)
        click.echo(f"migrations   {numbers} are to be applied yet; the next `spanledger serve` or `migrate` does it")


def _state(settings: Settings) -> dict[str, Any]:
    """What the running collector says, or else the store and the data directory; ``collector`` is where one answers."""
    hurried = settings.model_copy(update={"connect_timeout_s": min(settings.connect_timeout_s, _CONNECT_TIMEOUT_S)})
    try:
        with open_store_or_find_holder(hurried, only_looks=True) as found:
            if isinstance(found, Holder):
                token = settings.token.get_secret_value()
                running = ApiStatus(found.api, token=token, certificate=found.certificate).status()
                return {**running, "collector": found.api}
            return {**status_of(found), **_at_rest(settings)}
    except StoreUnavailableError as error:
        if DataDirectory(settings.data).held_by():
            raise  # it was the collector that did not answer
        return {**unknown_status(str(error)), **_at_rest(settings)}


def _at_rest(settings: Settings) -> dict[str, Any]:
    state: dict[str, Any] = {
        "collector": None,
        "journal": None,
        "forward": None,
        "dead_letters": dead_letters_of(settings).count,
    }
    path = settings.data / JOURNAL_FILE
    if not path.exists():
        return state
    try:
        entries, outgoing = waiting_in(path)
    except PermanentError as error:
        return {**state, "journal_unread": str(error)}
    return {**state, "journal": told(entries), "forward": told(outgoing) if outgoing.entries else None}
