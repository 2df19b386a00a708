"""``spanledger prices``: what models cost, which calls have no price, and what a cost is made of."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from spanledger_collector.cli.options import prices_option, store_options
from spanledger_collector.cli.query import open_asker
from spanledger_collector.cli.reprice import ask_or, open_desk
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import BadParameterError
from spanledger_collector.price.base import read_list
from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.compare import Difference, compare
from spanledger_collector.price.present import (
    CallPrice,
    cards_from_rates,
    day,
    write_call,
    write_card,
    write_difference,
)
from spanledger_collector.query.command import run_query
from spanledger_collector.query.run import instant

NS_PER_SECOND = 1_000_000_000


@click.group()
def prices() -> None:
    """What models cost, which calls have no price, and what a cost is made of."""


@prices.command(short_help="Show what a model costs.")
@click.argument("model")
@click.option("--provider", default="", metavar="NAME", help="Whose model; only needed where several sell it.")
@click.option("--at", metavar="TIME", help="ISO 8601, or as long ago as 7d, 12h, 30m.  [default: now]")
@prices_option
@store_options
def show(model: str, provider: str, at: str | None, config_file: str | None, **flags: Any) -> None:
    """Show what MODEL costs, by tier, long-context band and time of day, with the card's source and dates."""
    settings = load_settings(config_file, **flags)
    catalogue = _catalogue(settings)
    at_ns = _instant_ns(at)
    names = _names(catalogue, provider, model)
    if not names:
        raise BadParameterError(
            f"no price list knows {model!r}{f' of {provider!r}' if provider else ''}; give it one in the price file, "
            "or an alias (docs/prices.md)"
        )
    shown = 0
    for card in catalogue.cards():
        if (card.provider, card.model) in names and card.valid_from_ns <= at_ns < card.valid_to_ns:
            write_card(card, catalogue.display, at_ns)
            shown += 1
    if not shown:
        raise BadParameterError(f"{model!r} had no price at {day(at_ns)}")


@prices.command(short_help="List the names that have no price, with their calls.")
@click.option("--since", metavar="TIME", help="ISO 8601, or as long ago as 7d, 12h, 30m.")
@click.option("--until", metavar="TIME", help="The same forms.")
@click.option("--format", "form", default="table", show_default=True, help="table, json, jsonl or csv.")
@store_options
def unpriced(since: str | None, until: str | None, form: str, config_file: str | None, **flags: Any) -> None:
    """List the raw names that have no price of ours, with calls, tokens and first seen: the work list."""
    settings = load_settings(config_file, **flags)
    run_query(lambda: open_asker(settings), "unpriced", since=since, until=until, form=form, stream=sys.stdout)


@prices.command(short_help="Check a price file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask about prices a thousand times off.")
def check(file: Path, yes: bool) -> None:
    """Check a price FILE: fields, dates, overlaps, and prices a thousand times off their predecessor."""
    catalogue = Catalogue.load(file, confirm=ask_or(yes))
    own = [
        card for card in catalogue.cards() if card.source == "override" and card.catalogue_version.startswith(file.name)
    ]
    click.echo(
        f"{file} is in order: {len(own)} cards of its own, in a catalogue of {sum(1 for _ in catalogue.cards()):,}"
    )


@prices.command(short_help="Show what a newer price list changes, and take it.")
@click.option("--from", "newer", type=click.Path(path_type=Path), metavar="FILE", help="A data.json of genai-prices.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@prices_option
@store_options
def update(newer: Path | None, yes: bool, config_file: str | None, **flags: Any) -> None:
    """Show what a newer price list changes against the one in use, each a change or a correction, and take it.

    FILE is the data.json that genai-prices publishes; without one, the installed list is taken again. New calls are
    priced by it from then on; what is booked stays until `spanledger reprice`.
    """
    settings = load_settings(config_file, **flags)
    before = _catalogue(settings)
    if newer is not None:
        read_list(newer)
    after = Catalogue.load(settings.prices, newer, ask_or(yes))
    differences = list(compare(before.cards(), after.cards()))
    for difference in differences:
        write_difference(difference)
    click.echo(f"{before.version} -> {after.version}: {_counted(differences)}")
    if before.version == after.version:
        return
    if not yes and not click.confirm("Take it?"):
        raise click.Abort
    target = settings.newer_price_list
    if newer is None:
        target.unlink(missing_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".new")
        shutil.copyfile(newer, draft)
        draft.replace(target)
    with open_desk(settings) as desk:
        click.echo(f"in use: {desk.reload(yes=True).catalogue_version}")
    if any(difference.kind == "correction" for difference in differences):
        click.echo("corrections reach what is booked with: spanledger reprice --since TIME --dry-run")


@prices.command(short_help="Have the running collector read the price file again.")
@click.option("--yes", is_flag=True, help="Do not ask about prices a thousand times off.")
@prices_option
@store_options
def reload(yes: bool, config_file: str | None, **flags: Any) -> None:
    """Have the running collector price new calls by what the price file has now."""
    with open_desk(load_settings(config_file, **flags)) as desk:
        loaded = desk.reload(yes=yes)
    click.echo(f"in use: {loaded.catalogue_version}, {loaded.cards:,} cards, {loaded.prices or 'no file of your own'}")


@prices.command(short_help="Work out the cost of a call.")
@click.argument("call_id")
@prices_option
@store_options
def explain(call_id: str, config_file: str | None, **flags: Any) -> None:
    """Work out the cost of a call: tokens times rate for each kind, the card, its source and dates, and the sum."""
    settings = load_settings(config_file, **flags)
    with open_asker(settings) as asker:
        answer = asker.ask("call_usage", {"call_id": call_id})
        if not answer.rows:
            raise BadParameterError(f"there is no call {call_id!r}; `spanledger query calls --format jsonl` lists them")
        call = CallPrice(**dict(zip(answer.columns, answer.rows[0], strict=True)))
        rates = asker.ask("price_rates", {"card_id": call.price_card_id}) if call.has_card else None
    cards = cards_from_rates(rates.columns, rates.rows) if rates else []
    display = _catalogue(settings).display
    if not write_call(call, cards, display):
        sys.exit(1)


def _catalogue(settings: Settings) -> Catalogue:
    return Catalogue.load(settings.prices, settings.newer_price_list)


def _names(catalogue: Catalogue, provider: str, model: str) -> set[tuple[str, str]]:
    """The canonical names that are meant; all who sell a model of that name where no provider is named."""
    found = catalogue.canonical(provider, model)
    if found:
        return {found}
    if provider:
        return set()
    return {(card.provider, card.model) for card in catalogue.cards() if card.model.lower() == model.lower()}


def _instant_ns(at: str | None) -> int:
    now = datetime.now(UTC)
    try:
        text = instant(at, now) if at else f"{now:%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError) as reason:
        raise BadParameterError(f"--at: {reason}") from None
    return int(datetime.fromisoformat(text.partition(".")[0]).replace(tzinfo=UTC).timestamp()) * NS_PER_SECOND


def _counted(differences: list[Difference]) -> str:
    kinds: Mapping[str, str] = {"new": "new", "gone": "gone", "change": "changed", "correction": "corrected"}
    counts = (f"{sum(d.kind == kind for d in differences)} {word}" for kind, word in kinds.items())
    return ", ".join(counts)
