"""``spanledger reprice``: price an interval of the ledger again, by what the price files have now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from spanledger_collector.cli.options import prices_option, store_options
from spanledger_collector.collector import open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import BadParameterError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.price.desk import Loaded, PriceDesk
from spanledger_collector.price.leaps import Confirm, accept, refuse
from spanledger_collector.price.reprice import ModelTotal, Repricing
from spanledger_collector.query.table import UNKNOWN, console_for, money
from spanledger_collector.web.client import ApiPriceDesk
from spanledger_collector.web.prices import interval


class LocalPriceDesk:
    """The desk of a store that this process opened, asked as ``ApiPriceDesk`` is."""

    def __init__(self, desk: PriceDesk) -> None:
        self._desk = desk

    def reload(self, *, yes: bool = False) -> Loaded:
        """See ``ApiPriceDesk``."""
        return self._desk.reload(ask_or(yes))

    def plan(self, since: str | None, until: str | None, *, yes: bool = False) -> list[ModelTotal]:
        """See ``ApiPriceDesk``."""
        return self._desk.plan(interval(since, until), ask_or(yes))

    def reprice(self, since: str | None, until: str | None, *, yes: bool = False) -> Repricing:
        """See ``ApiPriceDesk``."""
        # Whatever is odd was confirmed for the plan.
        return self._desk.reprice(interval(since, until), accept)

    def undo(self, repricing_id: int) -> Repricing:
        """See ``ApiPriceDesk``."""
        return self._desk.undo(repricing_id)


@contextmanager
def open_desk(settings: Settings) -> Iterator[LocalPriceDesk | ApiPriceDesk]:
    """The desk of the collector that holds the data directory, else of the store itself."""
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            desk = ApiPriceDesk(found.api, token=settings.token.get_secret_value(), certificate=found.certificate)
            _check_same_file(settings.prices, desk)
            yield desk
        else:
            yield LocalPriceDesk(PriceDesk(found, settings.prices, settings.newer_price_list))


def ask_or(yes: bool) -> Confirm:
    """``--yes``, a question on the terminal, or a no where there is none."""
    if yes:
        return accept
    return (lambda question: click.confirm(f"{question}. Is it meant?", err=True)) if sys.stdin.isatty() else refuse


@click.command()
@click.option("--since", metavar="TIME", help="ISO 8601, or as long ago as 7d, 12h, 30m.")
@click.option("--until", metavar="TIME", help="The same forms.  [default: now and later]")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--undo", "undone_id", type=int, metavar="ID", help="Take the re-pricing of this number back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@prices_option
@store_options
def reprice(
    since: str | None,
    until: str | None,
    dry_run: bool,
    undone_id: int | None,
    yes: bool,
    config_file: str | None,
    **flags: Any,
) -> None:
    """Price the calls of an interval again, by what the price catalogue and your price file have now.

    Shows old and new totals by model and asks. Leaves an audit row (`spanledger query repricings`) and can be undone.
    """
    settings = load_settings(config_file, **flags)
    if undone_id is None and since is None:
        raise BadParameterError("say from when on to re-price: --since 30d, --since 2026-06-01")
    interval(since, until)
    with open_desk(settings) as desk:
        if undone_id is not None:
            done = desk.undo(undone_id)
            click.echo(
                f"re-pricing {undone_id} is undone for {done.changed_calls:,} calls, as re-pricing {done.repricing_id}"
            )
            if done.left_calls:
                click.echo(f"{done.left_calls:,} calls were rewritten since and stay as they are")
            return
        totals = desk.plan(since, until, yes=yes)
        changed_calls = show_plan(totals)
        if dry_run or not changed_calls:
            return
        if not yes and not click.confirm(f"Re-price {changed_calls:,} calls?"):
            raise click.Abort
        done = desk.reprice(since, until, yes=True)
        click.echo(
            f"re-pricing {done.repricing_id}: {done.changed_calls:,} calls, {_usd(done.old_cost_usd)} before, "
            f"{_usd(done.new_cost_usd)} now; take it back with: spanledger reprice --undo {done.repricing_id}"
        )


def show_plan(totals: list[ModelTotal]) -> int:
    """Write the models whose calls would change, and the sum of all; returns how many calls would."""
    grid = Table(box=None, pad_edge=False, padding=(0, 1))
    for name in ("provider", "model", "calls", "changed", "old cost", "new cost", "unpriced before", "now"):
        grid.add_column(name, justify="left" if name in ("provider", "model") else "right")
    changed = [total for total in totals if total.changed_calls]
    for total in changed:
        grid.add_row(Text(total.provider or UNKNOWN), Text(total.model or UNKNOWN), *_figures(total))
    console = console_for(sys.stdout)
    if changed:
        console.print(grid)
    old, new = (
        sum((getattr(t, f"{when}_cost_usd") or Decimal(0) for t in totals), Decimal(0)) for when in ("old", "new")
    )
    calls, changed_calls = sum(t.calls for t in totals), sum(t.changed_calls for t in totals)
    click.echo(f"{changed_calls:,} of {calls:,} calls change; in total {money(old)} before, {money(new)} after")
    return changed_calls


def _figures(total: ModelTotal) -> tuple[str, ...]:
    costs = (_usd(total.old_cost_usd), _usd(total.new_cost_usd))
    unpriced = (f"{total.old_unpriced_calls:,}", f"{total.new_unpriced_calls:,}")
    return (f"{total.calls:,}", f"{total.changed_calls:,}", *costs, *unpriced)


def _usd(cost_usd: Decimal | None) -> str:
    return UNKNOWN if cost_usd is None else money(cost_usd)


def _check_same_file(prices: Path | None, desk: ApiPriceDesk) -> None:
    """A running collector prices by its own file: another one that is named here would silently not count."""
    if prices is None:
        return
    in_use = desk.price_file()
    if Path(in_use or ".").absolute() != prices.absolute():
        raise BadParameterError(
            f"the running collector prices by {in_use or 'no file of your own'}; "
            "leave --prices out, or restart it with that file"
        )
