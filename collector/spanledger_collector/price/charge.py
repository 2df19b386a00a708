"""One card and one usage make one price: the sum that is done for every call, integers only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from spanledger_collector.price.card import KINDS, NS_PER_SECOND, SECONDS_PER_DAY, Card, Rates

(
    INPUT, CACHE_READ, CACHE_WRITE_5M, CACHE_WRITE_1H, INPUT_AUDIO, INPUT_IMAGE,
    OUTPUT, REASONING, OUTPUT_AUDIO, OUTPUT_IMAGE, WEB_SEARCH, REQUEST,
) = range(len(KINDS))  # fmt: skip
PICO_FEMTO = 1000
HALF_PICO_FEMTO = PICO_FEMTO // 2
ONLY_WEB_SEARCH = (WEB_SEARCH,)
LARGEST_COST_PICO_USD = 10**18 - 1
"""What the ledger's Decimal(18, 12) holds: a call of a million dollars is a mistake in its counts."""


class Usage(NamedTuple):
    """Token counts of one call, inclusive totals as in ``model.Call``; None means unknown.

    ``input_tokens`` contains cache reads, cache writes, audio and images; ``cache_write_tokens`` contains the part
    with one hour of life; ``output_tokens`` contains reasoning, audio and images. ``web_searches`` counts searches,
    not tokens.
    """

    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    web_searches: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0


class Price(NamedTuple):
    """What a call costs and why.

    ``cost_pico_usd`` (1e-12 US dollars) is an int for these ``status`` values only:

    * ``priced``: everything that was counted has a rate
    * ``tier_fallback``: the same, at the standard rate, because the tier the call names has no price
      at that date
    * ``partial``: the sum of what has a rate; something counted has none, or only one of input and output was
      reported. It outranks ``tier_fallback``: its cost is too low, not merely of another tier
    * ``not_billed``: 0, because a rule says that nobody is charged for this model

    It is None for ``unknown_provider``, ``unknown_model`` (no card at that date, or none of the counted units
    has a rate), ``no_usage`` (nothing was counted) and ``bad_usage`` (negative counts, parts larger than
    their total, or counts that would cost a million dollars). ``card_id`` is the hex id of the card that was
    used, '' where there is none.

    A named tuple, because one is made for every call and a frozen dataclass takes twice as long to make.
    """

    cost_pico_usd: int | None
    status: str
    card_id: str

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost in US dollars, exact; None where it is unknown."""
        return None if self.cost_pico_usd is None else Decimal(self.cost_pico_usd).scaleb(-12)


UNKNOWN_MODEL = Price(None, "unknown_model", "")
UNKNOWN_PROVIDER = Price(None, "unknown_provider", "")
NOT_BILLED = Price(0, "not_billed", "")
NO_USAGE = Price(None, "no_usage", "")
BAD_USAGE = Price(None, "bad_usage", "")


@dataclass(frozen=True, slots=True)
class Tariff:
    """A card made ready for charging, and the status of a price that it fully covers.

    ``table[band][slot]`` is a rate vector with 0 where there is no rate, and the kinds (their indexes) that
    have none.
    """

    card_id: str
    status: str
    bands: tuple[int, ...]
    slots: tuple[int, ...]
    table: tuple[tuple[tuple[tuple[int, ...], tuple[int, ...]], ...], ...]

    @classmethod
    def of(cls, card: Card, status: str) -> Tariff:
        """The tariff of a card; ``status`` is ``priced`` or ``tier_fallback``."""
        table = tuple(tuple(_ready(rates) for rates in band) for band in card.rates)
        return cls(card.card_id, status, card.bands, card.slots, table)


def charge(tariff: Tariff, at_ns: int, usage: Usage) -> Price:
    """Price ``usage`` at ``at_ns`` (nanoseconds since the epoch); statuses as in ``Price``.

    Part counts that are unknown are taken as none; a total that is unknown is taken as the sum of its known
    parts, and the price is then ``partial``. Audio, then images, are taken as uncached, as far as uncached input
    reaches: usage as it is reported does not say how they overlap with the cache. ``reprice_sql`` says the same in SQL.
    """
    cache_read = usage.cache_read_tokens or 0
    cache_write_1h = usage.cache_write_1h_tokens or 0
    cache_write = usage.cache_write_tokens
    if cache_write is None:
        cache_write = cache_write_1h
    reasoning = usage.reasoning_tokens or 0
    input_audio, input_image = usage.input_audio_tokens, usage.input_image_tokens
    output_audio, output_image = usage.output_audio_tokens, usage.output_image_tokens
    web_searches = usage.web_searches
    total_input = usage.input_tokens
    if total_input is None:
        total_input = max(cache_read + cache_write, input_audio + input_image)
    total_output = usage.output_tokens
    if total_output is None:
        total_output = reasoning + output_audio + output_image

    uncached = total_input - cache_read - cache_write
    cache_write_5m = cache_write - cache_write_1h
    output_text = total_output - reasoning - output_audio - output_image
    # One sign bit for all: the bitwise or of integers is negative exactly when one of them is.
    if (uncached | cache_read | cache_write_5m | cache_write_1h | output_text | reasoning) < 0:
        return BAD_USAGE
    rare = input_audio or input_image or output_audio or output_image or web_searches
    if rare:
        beyond = total_input - input_audio - input_image
        if (input_audio | input_image | output_audio | output_image | web_searches | beyond) < 0:
            return BAD_USAGE
        input_audio = min(input_audio, uncached)
        input_image = min(input_image, uncached - input_audio)
        uncached -= input_audio + input_image

    band = tariff.table[bisect_left(tariff.bands, total_input)] if tariff.bands else tariff.table[0]
    slots = tariff.slots
    slot = bisect_right(slots, at_ns // NS_PER_SECOND % SECONDS_PER_DAY) if slots else 0
    rates, gaps = band[slot]
    # Most counts of most calls are zero: asking is cheaper than multiplying, and this runs for every call.
    cost_femto_usd = rates[REQUEST] + uncached * rates[INPUT] + output_text * rates[OUTPUT]
    if cache_read:
        cost_femto_usd += cache_read * rates[CACHE_READ]
    if cache_write:
        cost_femto_usd += cache_write_5m * rates[CACHE_WRITE_5M] + cache_write_1h * rates[CACHE_WRITE_1H]
    if reasoning:
        cost_femto_usd += reasoning * rates[REASONING]
    if rare:
        cost_femto_usd += input_audio * rates[INPUT_AUDIO] + input_image * rates[INPUT_IMAGE]
        cost_femto_usd += output_audio * rates[OUTPUT_AUDIO] + output_image * rates[OUTPUT_IMAGE]
        cost_femto_usd += web_searches * rates[WEB_SEARCH]
    cost_pico_usd = (cost_femto_usd + HALF_PICO_FEMTO) // PICO_FEMTO
    if cost_pico_usd > LARGEST_COST_PICO_USD:
        return BAD_USAGE
    covered = not gaps or (gaps == ONLY_WEB_SEARCH and not web_searches)
    if covered and usage.input_tokens is not None and usage.output_tokens is not None:
        return Price(cost_pico_usd, tariff.status, tariff.card_id)
    counts = (
        uncached, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
        output_text, reasoning, output_audio, output_image, web_searches,
    )  # fmt: skip
    return _with_gaps(tariff, usage, counts, gaps, cost_pico_usd)


def _with_gaps(tariff: Tariff, usage: Usage, counts: Sequence[int], gaps: Sequence[int], cost_pico_usd: int) -> Price:
    """The price where the card lacks rates or the usage a total: is anything missing that matters here?"""
    half_reported = (usage.input_tokens is None and INPUT not in gaps) or (
        usage.output_tokens is None and OUTPUT not in gaps
    )
    if usage.input_tokens is None and usage.output_tokens is None and not any(counts):
        return NO_USAGE
    if any(map(counts.__getitem__, gaps)):
        covered = any(count for kind, count in enumerate(counts) if kind not in gaps)
        return Price(cost_pico_usd, "partial", tariff.card_id) if covered or cost_pico_usd else UNKNOWN_MODEL
    return Price(cost_pico_usd, "partial" if half_reported else tariff.status, tariff.card_id)


def _ready(rates: Rates) -> tuple[tuple[int, ...], tuple[int, ...]]:
    # A call always counts as one request, and most cards have no fee for that: no gap.
    gaps = tuple(kind for kind, rate in enumerate(rates[:REQUEST]) if rate is None)
    return tuple(rate or 0 for rate in rates), gaps
