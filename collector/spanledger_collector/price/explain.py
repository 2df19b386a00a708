"""A cost worked out by hand: tokens times rate for each kind, from what the row of the ledger names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from spanledger_collector.price.card import KINDS, NS_PER_SECOND, SECONDS_PER_DAY, Card
from spanledger_collector.price.charge import PICO_FEMTO, Tariff, Usage, charge

_INPUT_KINDS = KINDS[: KINDS.index("output")]


@dataclass(frozen=True, slots=True)
class Line:
    """``count`` units of ``kind``; the rate of one and the cost of all, exact; None where there is no price."""

    kind: str
    count: int
    rate_femto_usd: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The lines, in the order of the kinds, and what they add up to, rounded to 1e-12 dollars as a row's cost is."""

    card: Card
    above_input_tokens: int | None
    from_utc_second: int
    lines: tuple[Line, ...]
    total_usd: Decimal


def explain(card: Card, at_ns: int, usage: Usage) -> Explanation:
    """How ``card`` charges ``usage`` at ``at_ns``."""
    counts = count_units(card, at_ns, usage)
    total_input = sum(counts[kind] for kind in _INPUT_KINDS)
    band = bisect_left(card.bands, total_input)
    slot = bisect_right(card.slots, at_ns // NS_PER_SECOND % SECONDS_PER_DAY)
    lines = tuple(
        Line(kind, counts[kind], rate, None if rate is None else Decimal(rate * counts[kind]).scaleb(-15))
        for kind, rate in zip(KINDS, card.rates[band][slot], strict=True)
        if counts[kind] and (rate is not None or kind != "request")
    )
    exact = sum((line.cost_usd for line in lines if line.cost_usd is not None), Decimal(0))
    # Half a pico-dollar goes up, as in ``charge``.
    total = (exact.scaleb(12) + Decimal("0.5")).to_integral_value("ROUND_FLOOR").scaleb(-12)
    return Explanation(
        card,
        card.bands[band - 1] if band else None,
        card.slots[slot - 1] if slot else 0,
        lines,
        total,
    )


def count_units(card: Card, at_ns: int, usage: Usage) -> dict[str, int]:
    """How many units of each kind ``charge`` counts in ``usage``; none where it finds the usage impossible.

    It is asked itself: with one pico-dollar for a unit of the kind and nothing for the others, a call costs as many
    pico-dollars as it has units.
    """
    return {kind: _charged(card, at_ns, usage, index) for index, kind in enumerate(KINDS)}


def _charged(card: Card, at_ns: int, usage: Usage, kind: int) -> int:
    rates = tuple(PICO_FEMTO if index == kind else 0 for index in range(len(KINDS)))
    table: Sequence[Sequence[tuple[int, ...]]] = [[rates] * (len(card.slots) + 1)] * (len(card.bands) + 1)
    counting = replace(card, rates=tuple(map(tuple, table)))
    return charge(Tariff.of(counting, "priced"), at_ns, usage).cost_pico_usd or 0
