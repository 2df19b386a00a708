"""The price card: what one model costs at one provider, on one service tier, from one moment to another.

A card is found by (provider, model, tier, time); inside it the total input of the call picks the band
(long-context price, all tokens of the call at the new rate) and the time of day picks the slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b

NS_PER_SECOND = 1_000_000_000
SECONDS_PER_DAY = 86_400
FOREVER_NS = 2**63 - 1
"""``valid_to_ns`` of a card that is still open."""

KINDS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
    "web_search",
    "request",
)
"""What is counted, in the order of a rate vector; each token of a call falls into exactly one kind."""

QUOTED_PER_THOUSAND = frozenset({"web_search", "request"})
"""Kinds whose price is quoted for a thousand, here and in price files; that of all others, tokens, for a million."""

Rates = tuple[int | None, ...]
"""Femto-USD (1e-15 US dollars) per unit, in the order of ``KINDS``; None, not 0, where there is no price.

Finer than the pico-USD of a cost, because some prices are: 1/12 dollar per million tokens."""

RateTable = tuple[tuple[Rates, ...], ...]
"""``rates[band][slot]``: one band and one slot more than there are edges between them."""

NO_RATES: Rates = (None,) * len(KINDS)


@dataclass(frozen=True, slots=True)
class Card:
    """Rates of one (provider, model, tier) over the half-open interval [valid_from_ns, valid_to_ns).

    ``bands`` are thresholds of total input tokens, strict: exactly the threshold still belongs to the band
    below. ``slots`` are starts in seconds of the UTC day; before the first one is slot 0. ``card_id`` is a
    hash of everything but ``valid_to_ns`` and the release, so one id means one set of rates for good.
    """

    card_id: str
    provider: str
    model: str
    tier: str
    valid_from_ns: int
    valid_to_ns: int
    bands: tuple[int, ...]
    slots: tuple[int, ...]
    rates: RateTable
    source: str
    catalogue_version: str

    def content(self) -> tuple[tuple[int, ...], tuple[int, ...], RateTable]:
        """The prices themselves: ``bands``, ``slots``, ``rates``."""
        return self.bands, self.slots, self.rates

    def has_rates(self) -> bool:
        """Whether anything at all has a price here; an empty entry of a catalogue does not say "free"."""
        return any(rates != NO_RATES for band in self.rates for rates in band)


def make_card(
    name: tuple[str, str],
    tier: str,
    interval_ns: tuple[int, int],
    content: tuple[tuple[int, ...], tuple[int, ...], RateTable],
    *,
    source: str,
    catalogue_version: str,
) -> Card:
    """A card with its id; ``name`` is the canonical (provider, model), ``content`` as ``Card.content``."""
    identity = (*name, tier, interval_ns[0], *content, source)
    bands, slots, rates = content
    return Card(
        card_id=blake2b(repr(identity).encode(), digest_size=8).hexdigest(),
        provider=name[0],
        model=name[1],
        tier=tier,
        valid_from_ns=interval_ns[0],
        valid_to_ns=interval_ns[1],
        bands=bands,
        slots=slots,
        rates=rates,
        source=source,
        catalogue_version=catalogue_version,
    )


def quoted(kind: str, femto_usd: int) -> tuple[Decimal, str]:
    """A rate as price lists quote it: US dollars, exact, and what for: ``per million`` or ``per thousand``."""
    if kind in QUOTED_PER_THOUSAND:
        return Decimal(femto_usd).scaleb(-12), "per thousand"
    return Decimal(femto_usd).scaleb(-9), "per million"


def quoted_text(kind: str, femto_usd: int) -> str:
    """The same as text: ``$2.5 per million``."""
    usd, units = quoted(kind, femto_usd)
    return f"${usd.normalize():f} {units}"
