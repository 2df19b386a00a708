"""``spanledger explain`` and ``spanledger whatif``: why a task cost what it did, and what another model would cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import click

from spanledger_collector.cli.options import prices_option, store_options
from spanledger_collector.cli.query import open_asker
from spanledger_collector.config import load_settings
from spanledger_collector.errors import BadParameterError
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.query import whatif as estimates
from spanledger_collector.query.explain import QUERY, check_found, write_explanation
from spanledger_collector.query.library import find
from spanledger_collector.query.render import check_form, render
from spanledger_collector.query.run import bind


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
    price = pricer(Catalogue.load(settings.prices, settings.newer_price_list), wanted, time.time_ns())
    with open_asker(settings) as asker:
        result = asker.ask(estimates.QUERY, texts)
    estimates.write_estimate(wanted, estimates.estimate(result, price), sys.stdout)


def pricer(catalogue: Catalogue, swap: estimates.Swap, at_ns: int) -> estimates.Pricer:
    """Prices rows of ``calls`` at the new model's price at ``at_ns``; kinds of units that the rows lack are left out.

    Raises:
        BadParameterError: the catalogue has no price for the new model.
    """
    probe = catalogue.price(swap.provider, (swap.new,), at_ns, Usage(input_tokens=1, output_tokens=1))
    if probe.cost_pico_usd is None:
        raise BadParameterError(
            f"no price is known for {swap.new!r}; write PROVIDER/MODEL, or name a price file of your own with --prices"
        )

    def price(row: Mapping[str, Any]) -> Decimal | None:
        usage = Usage(
            row["input_tokens"],
            row["cache_read_tokens"],
            row["cache_write_tokens"],
            row["cache_write_1h_tokens"],
            row["output_tokens"],
            row["reasoning_tokens"],
        )
        return catalogue.price(swap.provider, (swap.new,), at_ns, usage).cost_usd

    return price


def _texts(**given: str | None) -> dict[str, str]:
    return {name: text for name, text in given.items() if text is not None}
