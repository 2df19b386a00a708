"""Dated cards from the data of the installed genai-prices wheel; none of its code runs when a call is priced.

Which price list holds at an instant is asked of the wheel itself, at every instant where the answer can
change (a start date, the edge of a daily window). Which rate a unit without its own has follows its unit
tree: a 1-hour cache write is charged as a cache write, reasoning as output, audio as text, and only where
that ancestor has a price.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version

from genai_prices.data_units import unit_data
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitDef, UnitRegistry

from spanledger_collector.price.card import (
    FOREVER_NS,
    KINDS,
    NS_PER_SECOND,
    Card,
    Rates,
    RateTable,
    make_card,
)

SOURCE = "genai-prices"
TIERS = ("flex", "priority", "batch", "fast")
"""Tiers with prices of their own; the standard tier is ''."""

FIRST_DAY = date(2020, 1, 1)
"""Where the price lists without a start date begin: nothing in the catalogue was sold by the token before.
A span from 1970 comes from a clock that was not set, and gets no price instead of the oldest one."""

FEMTO_USD = 10**15
UNIT_OF_KIND = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "input_audio": "input_audio_tokens",
    "input_image": "input_image_tokens",
    "output": "output_tokens",
    "reasoning": "output_reasoning_tokens",
    "output_audio": "output_audio_tokens",
    "output_image": "output_image_tokens",
    "web_search": "web_searches",
    "request": "requests",
}
# The keys of the wheel's request context that a tier name may stand under.
CONTEXT_KEYS = ("service_tier", "processing", "speed")
DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")

Condition = StartDateConstraint | TimeOfDateConstraint | None


def price_chains() -> dict[str, tuple[UnitDef, ...]]:
    """For each kind its unit and then that unit's ancestors, nearest first: where its rate is looked for."""
    registry = UnitRegistry(unit_data)
    chains = {}
    for kind in KINDS:
        unit = registry.units[UNIT_OF_KIND[kind]]
        ancestors = (registry.units[key] for key in registry.ancestor_usage_keys(unit.usage_key))
        chains[kind] = (unit, *sorted(ancestors, key=lambda ancestor: -len(ancestor.dimensions)))
    return chains


CHAINS = price_chains()


def installed_release() -> str:
    """The price list that is installed, as ``catalogue_version`` names it."""
    return f"{SOURCE} {version('genai-prices')}"


def compile_cards(providers: Sequence[Provider], release: str) -> Iterator[Card]:
    """Every card: each provider's own models, then those it resells at their maker's price."""
    by_id = {provider.id: provider for provider in providers}
    for provider in providers:
        own = {model.id for model in provider.models}
        for model in provider.models:
            for tier in ("", *TIERS):
                yield from model_cards(provider.id, model, tier, release)
        # A reseller's tiers are not its maker's: only the standard price is carried over.
        for maker in provider.fallback_model_providers or ():
            for model in by_id[maker].models:
                if model.id not in own:
                    yield from model_cards(provider.id, model, "", release)
                    own.add(model.id)


def model_cards(provider: str, model: ModelInfo, tier: str, release: str) -> Iterator[Card]:
    """The cards of one model and tier in order of time; equal neighbours are one, empty price lists none."""
    variants = [variant for variant in model.price_variants or () if tier and is_tier(variant, tier)]
    if tier and not variants:
        return
    days = sorted({first_day(model), *start_days(model, variants)})
    cards: list[Card] = []
    for day, end in zip(days, (*days[1:], None), strict=True):
        if tier and not any(is_active(variant, day) for variant in variants):
            continue
        slots, price_lists = daily_price_lists(model, day, tier)
        bands, rates = flatten(price_lists)
        if all(band == rates[0] for band in rates):
            bands, rates = (), rates[:1]
        if all(rate == band[0] for band in rates for rate in band):
            slots, rates = (), tuple(band[:1] for band in rates)
        from_ns, to_ns = midnight_ns(day), FOREVER_NS if end is None else midnight_ns(end)
        content = (bands, slots, rates)
        if cards and cards[-1].valid_to_ns == from_ns and cards[-1].content() == content:
            from_ns = cards.pop().valid_from_ns
        cards.append(
            make_card(
                (provider, model.id),
                tier,
                (from_ns, to_ns),
                content,
                source=SOURCE,
                catalogue_version=release,
            )
        )
    yield from (card for card in cards if card.has_rates())


def daily_price_lists(model: ModelInfo, day: date, tier: str) -> tuple[tuple[int, ...], list[ModelPrice]]:
    """The slots of that day (seconds, without midnight) and the price list that holds in each."""
    edges = sorted(
        {
            edge
            for condition in conditions(model)
            if isinstance(condition, TimeOfDateConstraint)
            for edge in (utc_seconds(condition.start_time), utc_seconds(condition.end_time))
        }
        - {0}
    )
    start = datetime.combine(day, time(), UTC)
    context = dict.fromkeys(CONTEXT_KEYS, tier) if tier else None
    return tuple(edges), [model.get_prices(start + timedelta(seconds=second), context) for second in (0, *edges)]


def flatten(price_lists: Sequence[ModelPrice]) -> tuple[tuple[int, ...], RateTable]:
    """Thresholds and ``rates[band][slot]`` of one price list a slot."""
    bands = sorted({start for prices in price_lists for start in thresholds(prices)})
    return tuple(bands), tuple(tuple(rate_vector(prices, floor) for prices in price_lists) for floor in (-1, *bands))


def thresholds(prices: ModelPrice) -> Iterator[int]:
    """Where any of the rates that we count with changes."""
    for chain in CHAINS.values():
        price = first_price(prices, chain)
        if price is not None and isinstance(price[1], TieredPrices):
            yield from (tier.start for tier in price[1].tiers)


def rate_vector(prices: ModelPrice, floor: int) -> Rates:
    """Rates for a total input just above ``floor`` tokens."""
    return tuple(femto_usd_rate(first_price(prices, CHAINS[kind]), floor) for kind in KINDS)


def first_price(prices: ModelPrice, chain: Iterable[UnitDef]) -> tuple[UnitDef, Decimal | TieredPrices] | None:
    """The nearest unit of the chain that has a price, and the price."""
    for unit in chain:
        price = prices.__dict__.get(unit.price_key)
        if price is not None:
            return unit, price
    return None


def femto_usd_rate(price: tuple[UnitDef, Decimal | TieredPrices] | None, floor: int) -> int | None:
    """Femto-USD per single unit; a few of the wheel's rates are finer still, and are rounded half to even."""
    if price is None:
        return None
    unit, amount = price
    if isinstance(amount, TieredPrices):
        reached = [tier.price for tier in amount.tiers if tier.start <= floor]
        amount = reached[-1] if reached else amount.base
    return round(amount * FEMTO_USD / unit.per)


def first_day(model: ModelInfo) -> date:
    """The date in a dated model's own id, else ``FIRST_DAY``: the wheel does not say when a model began."""
    found = DATE_IN_NAME.search(model.id)
    return date(*map(int, found.groups())) if found else FIRST_DAY


def conditions(model: ModelInfo) -> Iterator[Condition]:
    """What the standard prices of a model depend on."""
    if isinstance(model.prices, list):
        yield from (conditional.constraint for conditional in model.prices)


def start_days(model: ModelInfo, variants: Iterable[PriceVariant]) -> Iterator[date]:
    """The days on which a price of the model may change."""
    for condition in (*conditions(model), *(variant.constraint for variant in variants)):
        if isinstance(condition, StartDateConstraint) and condition.start_date > first_day(model):
            yield condition.start_date


def is_tier(variant: PriceVariant, tier: str) -> bool:
    """Whether a price variant is that of the tier (and says a price at all)."""
    named = all(key in CONTEXT_KEYS and value == tier for key, value in variant.when.items())
    return named and bool(variant.prices.__dict__)


def is_active(variant: PriceVariant, day: date) -> bool:
    """Whether the variant's price was verified by that day."""
    return variant.constraint is None or variant.constraint.active(datetime.combine(day, time(), UTC))


def utc_seconds(moment: time) -> int:
    """Seconds of the UTC day; a time without a zone is UTC."""
    at = datetime.combine(date(2000, 1, 1), moment, moment.tzinfo or UTC).astimezone(UTC)
    return at.hour * 3600 + at.minute * 60 + at.second


def midnight_ns(day: date) -> int:
    """The start of a UTC day in nanoseconds since the epoch."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * NS_PER_SECOND
