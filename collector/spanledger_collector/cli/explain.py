"""``spanledger explain`` and ``spanledger whatif``: why a task cost what it did, and what another model would cost."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from decimal import Decimal
from typing import Any

import click

from spanledger_collector.cli.options import prices_option, store_options
from spanledger_collector.cli.query import open_asker
from spanledger_collector.config import load_settings
from spanledger_collector.errors import BadParameterError
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.card import KINDS, NS_PER_SECOND, SECONDS_PER_DAY
from spanledger_collector.query import whatif as estimates
from spanledger_collector.query.explain import QUERY, check_found, write_explanation
from spanledger_collector.query.library import find
from spanledger_collector.query.render import check_form, render
from spanledger_collector.query.run import bind

_SWAPPED_KINDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "request")
"""In the order of the question's rates; audio, images and searches are not swapped."""


@click.command(short_help="Explain why a task cost more, or less, than the median one of its agent.")
@click.argument("task")
@click.option("--format", "form", default="table", show_default=True, help="table, json, jsonl or csv.")
@click.option("--since", metavar="TIME", help="Compare with tasks since then: ISO 8601, or as long ago as 7d.")
@click.option("--until", metavar="TIME", help="The same forms.")
@store_options
def explain(task: str, form: str, since: str | None, until: str | None, config_file: str | None, **flags: Any) -> None:
    """Explain why TASK cost more, or less, than the median task of its agent; the parts add up to the difference."""
    texts = _texts(explained=task, since=since, until=until)
    bind(find(QUERY), texts)
    check_form(form)
    with open_asker(load_settings(config_file, **flags)) as asker:
        result = asker.ask(QUERY, texts)
    check_found(task, result)
    if form == "table":
        write_explanation(result, sys.stdout)
    else:
        render(find(QUERY), result, form, sys.stdout)


@click.command(short_help="Estimate what past calls would have cost with another model.")
@click.option("--swap", required=True, metavar="A=B", help="Model A by model B; B may be PROVIDER/MODEL.")
@click.option("--since", metavar="TIME", help="ISO 8601, or as long ago as 7d, 12h, 30m.")
@click.option("--until", metavar="TIME", help="The same forms.")
@click.option("--agent", metavar="NAME", help="Only this agent's calls.")
@click.option("--team", metavar="NAME", help="Only this team's calls.")
@prices_option
@store_options
def whatif(
    swap: str,
    since: str | None,
    until: str | None,
    agent: str | None,
    team: str | None,
    config_file: str | None,
    **flags: Any,
) -> None:
    """Estimate what past calls of one model would have cost at another's price, and say what that cannot know."""
    wanted = estimates.Swap.parse(swap)
    texts = _texts(model=wanted.old, since=since, until=until, agent=agent, team=team)
    bind(find(estimates.QUERY), texts)
    settings = load_settings(config_file, **flags)
    rates = rates_of(Catalogue.load(settings.prices, settings.newer_price_list), wanted, time.time_ns())
    with open_asker(settings) as asker:
        (row,) = asker.ask(estimates.QUERY, {**texts, **rates}).rows
    estimates.write_estimate(wanted, estimates.Estimate(*row), sys.stdout)


def rates_of(catalogue: Catalogue, swap: estimates.Swap, at_ns: int) -> dict[str, str]:
    """The new model's price at ``at_ns`` as parameters of the question ``whatif``; none where nothing is charged.

    Raises:
        BadParameterError: the catalogue has no price for the new model.
    """
    probe = catalogue.price(swap.provider, (swap.new,), at_ns, Usage(input_tokens=1, output_tokens=1))
    if probe.cost_pico_usd is None:
        raise BadParameterError(
            f"no price is known for {swap.new!r}; write PROVIDER/MODEL, or name a price file of your own with --prices"
        )
    card = next((card for card in catalogue.cards() if card.card_id == probe.card_id), None)
    if card is None:
        return {}
    slot = bisect_right(card.slots, at_ns // NS_PER_SECOND % SECONDS_PER_DAY)
    of_bands = (dict(zip(KINDS, band[slot], strict=True)) for band in card.rates)
    return {
        "rates": ";".join(",".join(_usd_per_million(rates[kind]) for kind in _SWAPPED_KINDS) for rates in of_bands),
        "bands": ",".join(map(str, card.bands)),
    }


def _usd_per_million(femto_usd: int | None) -> str:
    return "" if femto_usd is None else f"{Decimal(femto_usd).scaleb(-9):f}"


def _texts(**given: str | None) -> dict[str, str]:
    return {name: text for name, text in given.items() if text is not None}
