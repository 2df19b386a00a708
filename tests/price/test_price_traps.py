"""Where the catalogue's own calculation goes wrong silently, and ours must not: one test a trap."""

from __future__ import annotations

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.data import providers
from genai_prices.types import TimeOfDateConstraint

from spanledger_collector.price import Catalogue, Usage

TOKENS = Usage(input_tokens=1000, output_tokens=500)
NOW = "2026-11-20T12:00:00Z"


def test_a_unit_without_a_price_is_not_free(catalogue: Catalogue, at_ns) -> None:
    """Web searches on gpt-4 and output tokens of an embedding make the price partial, not complete."""
    searches = Usage(input_tokens=1000, output_tokens=500, web_searches=1_000_000)
    price = catalogue.price("openai", ("gpt-4",), at_ns(NOW), searches)
    assert (price.status, price.cost_pico_usd) == ("partial", 60_000_000_000)

    embedding = catalogue.price("openai", ("text-embedding-3-small",), at_ns(NOW), TOKENS)
    assert (embedding.status, embedding.cost_pico_usd) == ("partial", 20_000_000)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "whisper-1"), ("mistral", "mistral-nemo:free"), ("openrouter", "stealth/crouton-alpha")],
)
def test_a_call_of_which_nothing_has_a_price_is_unknown(catalogue: Catalogue, at_ns, provider, model) -> None:
    """A model that is sold by other units, or listed without prices, costs None; the wheel says 0."""
    price = catalogue.price(provider, (model,), at_ns(NOW), TOKENS)
    assert (price.cost_pico_usd, price.status, price.card_id) == (None, "unknown_model", "")
    genai_usage = GenaiUsage(input_tokens=1000, output_tokens=500)
    assert calc_price(genai_usage, model, provider_id=provider).total_price == 0


@pytest.mark.parametrize(
    ("tier", "day", "cost_pico_usd", "status"),
    [
        ("flex", "2026-11-20", 1_000_000_000_000, "priced"),
        ("FLEX", "2026-11-20", 1_000_000_000_000, "priced"),
        ("flexx", "2026-11-20", 2_000_000_000_000, "tier_fallback"),
        ("flex", "2026-09-01", 2_000_000_000_000, "tier_fallback"),
        ("scale", "2026-11-20", 2_000_000_000_000, "tier_fallback"),
        ("default", "2026-11-20", 2_000_000_000_000, "priced"),
        ("auto", "2026-11-20", 2_000_000_000_000, "priced"),
        ("", "2026-09-01", 2_000_000_000_000, "priced"),
    ],
)
def test_a_tier_without_a_price_says_so(catalogue: Catalogue, at_ns, tier, day, cost_pico_usd, status) -> None:
    """A mistyped tier, or one before its verified date, costs the standard price, marked tier_fallback."""
    price = catalogue.price("openai", ("o3",), at_ns(day), Usage(input_tokens=1_000_000, output_tokens=0), tier)
    assert (price.cost_pico_usd, price.status) == (cost_pico_usd, status)


def test_azure_has_no_tiers_of_openai(catalogue: Catalogue, at_ns) -> None:
    """A model that Azure resells costs its maker's standard price; the maker's flex price is not Azure's."""
    for spelling in ("azure", "azure.ai.openai", "az.ai.openai", "azure_openai", "azure.ai.inference"):
        price = catalogue.price(spelling, ("gpt-5",), at_ns(NOW), TOKENS, "flex")
        assert price.status == "tier_fallback"
        assert price.cost_pico_usd == 6_250_000_000
    assert catalogue.price("openai", ("gpt-5",), at_ns(NOW), TOKENS, "flex").cost_pico_usd == 3_125_000_000


def test_peak_hours_begin_when_the_vendor_began_them(catalogue: Catalogue, at_ns) -> None:
    """DeepSeek's new prices hold from 16:00Z on 2026-08-16: not before, nor from the next UTC day."""
    usage = Usage(input_tokens=12000, cache_read_tokens=10000, output_tokens=700)
    cost = {
        instant: catalogue.price("deepseek", ("deepseek-v4-pro",), at_ns(instant), usage).cost_pico_usd
        for instant in (
            "2026-07-20T02:00:00",
            "2026-08-16T15:59:59",
            "2026-08-16T16:00:00",
            "2026-08-17T01:00:00",
            "2026-08-17T04:00:00",
            "2026-08-17T09:59:59",
        )
    }
    flat, off_peak, peak = 1_515_250_000, 2_926_000_000, 5_852_000_000
    assert list(cost.values()) == [flat, flat, off_peak, peak, off_peak, peak]


def test_no_tier_of_the_wheel_has_hours() -> None:
    """The compiler takes a tier's price to hold all day; a wheel where that is no longer so fails here."""
    constraints = (
        variant.constraint
        for provider in providers
        for model in provider.models
        for variant in model.price_variants or ()
    )
    assert not any(isinstance(constraint, TimeOfDateConstraint) for constraint in constraints)


def test_a_time_before_the_model_has_no_price(catalogue: Catalogue, at_ns) -> None:
    """A dated model before its date, and any model at the start of the epoch, has no price."""
    model = ("us.anthropic.claude-sonnet-4-5-20250929-v1:0",)
    before = catalogue.price("aws", model, at_ns("2025-09-28T23:59:59"), TOKENS)
    assert (before.cost_pico_usd, before.status) == (None, "unknown_model")
    assert catalogue.price("aws", model, at_ns("2025-09-29"), TOKENS).status == "priced"
    assert catalogue.price("openai", ("gpt-4o",), 0, TOKENS).status == "unknown_model"


def test_a_price_day_is_a_utc_day(catalogue: Catalogue, at_ns) -> None:
    """A dated change holds from midnight UTC on, to the nanosecond."""
    change_ns = at_ns("2026-07-30")
    before = catalogue.price("openai", ("gpt-5.6-luna",), change_ns - 1, TOKENS)
    after = catalogue.price("openai", ("gpt-5.6-luna",), change_ns, TOKENS)
    assert before.cost_pico_usd == 4_000_000_000
    assert after.cost_pico_usd == 800_000_000
    assert before.card_id != after.card_id


def test_a_long_context_price_is_for_all_tokens_above_the_threshold(catalogue: Catalogue, at_ns) -> None:
    """Exactly 200,000 input tokens pay the base rate; one more and every token pays the higher one."""
    at = catalogue.price("gcp.gemini", ("gemini-2.5-pro",), at_ns(NOW), Usage(200_000, output_tokens=0))
    above = catalogue.price("gcp.gemini", ("gemini-2.5-pro",), at_ns(NOW), Usage(200_001, output_tokens=0))
    assert at.cost_pico_usd == 200_000 * 1_250_000
    assert above.cost_pico_usd == 200_001 * 2_500_000


def test_exclusive_counts_are_refused(catalogue: Catalogue, at_ns) -> None:
    """Cache parts beyond the total come from a count that was not made inclusive: no price, not a low one."""
    price = catalogue.price("anthropic", ("claude-sonnet-4-5",), at_ns(NOW), Usage(100, 4000, 300, 0, 10))
    assert (price.cost_pico_usd, price.status) == (None, "bad_usage")


def test_a_free_variant_is_not_billed(catalogue: Catalogue, at_ns) -> None:
    """OpenRouter's free variants cost 0, and the status says that a rule says so."""
    price = catalogue.price("openrouter", ("qwen/qwen3-coder:free",), at_ns(NOW), TOKENS)
    assert (price.cost_pico_usd, price.status) == (0, "not_billed")
