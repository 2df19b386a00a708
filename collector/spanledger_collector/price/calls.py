"""Prices put on ledger rows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from spanledger_collector.model import Call
from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.charge import Usage

_NOTHING = Decimal(0)


def priced(call: Call, catalogue: Catalogue) -> Call:
    """``call`` with its cost, the reason for it, and the card it came from.

    A tool execution costs nothing itself. Nor does a call that the provider refused: it failed without an answer begun,
    so there was neither a response id nor a first token. A call that broke off later was billed, we do not know how much.
    """
    refused = call.status == "error" and not call.response_id and call.ttft_ms is None
    if call.kind == "tool" or (refused and call.usage_status == "missing"):
        return replace(call, cost_usd=_NOTHING, price_status="not_billed")
    price = catalogue.price(
        call.provider,
        (call.response_model, call.request_model),
        call.started_at_ns,
        Usage(
            input_tokens=call.input_tokens,
            cache_read_tokens=call.cache_read_tokens,
            cache_write_tokens=call.cache_write_tokens,
            cache_write_1h_tokens=call.cache_write_1h_tokens,
            output_tokens=call.output_tokens,
            reasoning_tokens=call.reasoning_tokens,
        ),
        call.service_tier,
    )
    estimated = call.usage_status == "estimated" and price.status in ("priced", "tier_fallback")
    return replace(
        call,
        cost_usd=price.cost_usd,
        price_status="estimated_tokens" if estimated else price.status,
        price_card_id=price.card_id,
    )
