"""Prices put on ledger rows. ``reprice_sql`` says the same in SQL, for rows that are in the store already."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from spanledger_collector.compiled import twin
from spanledger_collector.model import Call
from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.charge import Usage

REPORTED = "reported"
"""``price_card_id`` of a row whose cost is what the emitter said, as we have no price of our own."""
NOTHING = Decimal(0)
"""What a row costs that nobody is charged for."""


def priced(call: Call, catalogue: Catalogue) -> Call:
    """``call`` with its cost, the reason for it, and the card it came from.

    A tool execution costs nothing itself. Nor does a call that the provider refused: it failed without an answer begun,
    so there was neither a response id nor a first token. A call that broke off later was billed, nobody says how much.

    Where we have no price, the cost that the emitter reported is taken; the status still says why ours is missing.
    """
    compiled = twin("price.compiled_calls")
    if compiled is not None:
        return compiled.priced(call, catalogue)  # type: ignore[no-any-return]
    refused = call.status == "error" and not call.response_id and call.ttft_ms is None
    if call.kind == "tool" or (refused and call.usage_status == "missing"):
        return call.at_price(NOTHING, "not_billed", "")
    models = (call.response_model, call.request_model)
    price = catalogue.price(call.provider, models, call.started_at_ns, usage_of(call), call.service_tier)
    if price.cost_pico_usd is None and call.reported_cost_usd:
        return call.at_price(call.reported_cost_usd, price.status, REPORTED)
    estimated = call.usage_status == "estimated" and price.status in ("priced", "tier_fallback", "partial")
    return call.at_price(price.cost_usd, "estimated_tokens" if estimated else price.status, price.card_id)


def priced_all(calls: Iterable[Call | None], catalogue: Catalogue) -> list[Call | None]:
    """The same for many calls; what is no call stays none."""
    compiled = twin("price.compiled_calls")
    if compiled is not None:
        return compiled.priced_all(calls, catalogue)  # type: ignore[no-any-return]
    return [priced(call, catalogue) if call else None for call in calls]


def usage_of(call: Call) -> Usage:
    """What the row says was used."""
    return Usage(
        call.input_tokens,
        call.cache_read_tokens,
        call.cache_write_tokens,
        call.cache_write_1h_tokens,
        call.output_tokens,
        call.reasoning_tokens,
        call.input_audio_tokens or 0,
        call.output_audio_tokens or 0,
        call.web_searches or 0,
        call.input_image_tokens or 0,
        call.output_image_tokens or 0,
    )
