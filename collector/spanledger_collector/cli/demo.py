"""``spanledger demo``: a collector, a stand-in provider and agents that spend; then what the ledger says of them."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from spanledger_collector.cli.options import address_options, store_options
from spanledger_collector.cli.serve import run_collector, where_to_look
from spanledger_collector.collector import Collector
from spanledger_collector.config import Forward, Settings, default_data_directory, load_settings
from spanledger_collector.demo import FIRST_TASK, TASKS_PER_AGENT, run_app
from spanledger_collector.query.library import find
from spanledger_collector.query.render import render
from spanledger_collector.query.run import StoreAsker

_SHOWN = ("cost_per_task", "call_distribution", "spend_by_agent")
_NEXT = ("cost_per_task_by_agent", "spend_by_model", "calls --since 1h --format jsonl")
_TASK = re.compile(r"(?:BUG|DOC|PR|TICKET)-(\d+)")


@click.command()
@click.option("--serve", "stay", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
@click.option("--tasks", default=TASKS_PER_AGENT, show_default=True, help="Tasks for each agent.")
@store_options
@address_options
def demo(stay: bool, tasks: int, config_file: str | None, **flags: Any) -> None:
    """See what spanledger is for: four agents at work, no key and no cost.

    Real OpenAI and Anthropic SDK calls go to a stand-in provider on this machine. The demo keeps a ledger of its own,
    in ~/.local/share/spanledger-demo unless --data names another place; each run adds new tasks to it.
    """
    flags["data"] = flags["data"] or default_data_directory().with_name("spanledger-demo")
    # Its agents are on this machine, and know no name that a certificate would be for; what they spend is not real.
    settings = load_settings(config_file, **flags).model_copy(
        update={"tls_cert": None, "tls_key": None, "forward": Forward()}
    )

    async def show(collector: Collector) -> None:
        await _show(collector, StoreAsker(collector.reading), settings, tasks, stay)

    run_collector(settings, show, stay=stay)


async def _show(collector: Collector, asker: StoreAsker, settings: Settings, tasks: int, stay: bool) -> None:
    first_task = await asyncio.to_thread(_next_task, asker)
    with Console(stderr=True).status("four agents are at work; real SDK calls, a stand-in provider"):
        await asyncio.to_thread(
            run_app,
            collector.otlp_http_url,
            token=collector.token_to_send,
            tasks_per_agent=tasks,
            first_task=first_task,
        )
    for name in _SHOWN:
        query = find(name)
        click.echo(f"\n{query.purpose}\n")
        render(query, await asyncio.to_thread(asker.ask, name, {}), "table", sys.stdout)
    click.echo(f"\n{where_to_look(collector, settings)}\n\nAsk further:")
    for line in _NEXT:
        click.echo(f"  {_command()} query {line} --data {shlex.quote(str(settings.data))}")
    if stay:
        click.echo("\nThe collector takes spans of your own apps, too. Ctrl-C stops it; the data stays.")


def _next_task(asker: StoreAsker) -> int:
    """The number after those of earlier runs."""
    result = asker.ask("cost_per_task", {})
    names = (str(row[result.columns.index("task")]) for row in result.rows)
    return max((int(task[1]) + 1 for name in names if (task := _TASK.fullmatch(name))), default=FIRST_TASK)


def _command() -> str:
    """How the user started this command, as it can be typed again."""
    started = Path(sys.argv[0])
    try:
        return str(started.resolve().relative_to(Path.cwd())) if started.name == "spanledger" else "spanledger"
    except ValueError:
        return "spanledger"
