"""``spanledger whatif``: what past calls would have cost at another model's price of today."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TextIO

from rich.text import Text

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.table import console_for, money, printable

QUERY = "whatif"
CANNOT_KNOW = """\
What this cannot know: whether {model} would have done the work; how many tokens it counts in the same text; how many
calls it would have needed, how long its answers and its reasoning would have been; and whether its cache would have
served the same input. It takes the token counts as they were, and today's price of {model}."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Model ``old`` by ``new``, as a user names them; ``provider`` is '' where the new model's name tells it."""

    old: str
    provider: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Swap:
        """Read ``A=B`` or ``A=PROVIDER/B``.

        Raises:
            BadParameterError: it is neither.
        """
        old, _, new = text.partition("=")
        provider, slash, model = new.partition("/")
        if not slash:
            provider, model = "", new
        if not (old and model):
            raise BadParameterError(
                f"--swap is written A=B, as in gpt-4o=gpt-4o-mini or gpt-4o=anthropic/claude-haiku-4-5; got {text!r}"
            )
        return cls(old, provider, model)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The row of the question ``whatif``: what ``compared_calls`` cost; the others are in neither sum."""

    calls: int
    compared_calls: int
    compared_cost_usd: Decimal
    swapped_cost_usd: Decimal
    estimated_usage_calls: int


def write_estimate(swap: Swap, found: Estimate, stream: TextIO) -> None:
    """Write both sums, the difference, what is not in them, and what such an estimate cannot know.

    Raises:
        BadParameterError: no call was by the old model, or none can be compared.
    """
    old, new = printable(swap.old), printable(swap.new)
    if not found.calls:
        raise BadParameterError(
            f"no call asked for {old!r} or was answered by it; `spanledger query spend_by_model` lists"
        )
    if not found.compared_calls:
        raise BadParameterError(f"none of the {found.calls:,} calls has both a cost and the usage to price it at {new}")
    console = console_for(stream)
    change_usd = found.swapped_cost_usd - found.compared_cost_usd
    share = f" ({change_usd / found.compared_cost_usd:+.0%})" if found.compared_cost_usd else ""
    lines = [
        f"{found.compared_calls:,} calls of {old} cost {money(found.compared_cost_usd)}.",
        f"The same tokens at {new} cost {money(found.swapped_cost_usd)}: "
        f"{money(abs(change_usd))} {'more' if change_usd > 0 else 'less'}{share}.",
    ]
    if left_out := found.calls - found.compared_calls:
        lines.append(f"Left out of both sums, as their cost or usage is not known: {left_out:,}.")
    if found.estimated_usage_calls:
        lines.append(f"Among them with token counts that are estimates: {found.estimated_usage_calls:,}.")
    console.print(Text(lines[0]))
    console.print(Text(lines[1], style="bold red" if change_usd > 0 else "bold green"))
    for line in lines[2:]:
        console.print(Text(line, style="yellow"))
    console.print(Text(CANNOT_KNOW.format(model=new), style="dim"))
