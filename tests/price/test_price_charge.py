"""The sum itself: what counts as what, and what must hold for any usage."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_collector.price import Catalogue, Price, Usage

AT_NS = 1_795_176_000_000_000_000  # 2026-11-20T12:00:00Z
COUNTS = st.integers(min_value=0, max_value=90_000)
LOADED = Catalogue.load()


def claude(usage: Usage) -> Price:
    """The price of a call to Claude Sonnet 4.5: 3 in, 0.3 read, 3.75 and 6 written, 15 out, per million."""
    return LOADED.price("anthropic", ("claude-sonnet-4-5",), AT_NS, usage)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Valid usage below the long-context threshold."""
    uncached, read, write_5m, write_1h = (draw(COUNTS.map(lambda n: n // 2)) for _ in range(4))
    text, reasoning = draw(COUNTS), draw(COUNTS)
    return Usage(
        uncached + read + write_5m + write_1h,
        read,
        write_5m + write_1h,
        write_1h,
        text + reasoning,
        reasoning,
        web_searches=draw(st.integers(0, 9)),
    )


def test_each_token_is_charged_once_at_the_rate_of_its_kind() -> None:
    """Uncached, read, written for 5 minutes and for an hour, output: the sum by hand, exact."""
    price = claude(Usage(12_000, 4_000, 3_000, 2_000, 123, 100))
    by_hand = 5_000 * 3 + 4_000 * Decimal("0.3") + 1_000 * Decimal("3.75") + 2_000 * 6 + 123 * 15
    assert price.status == "priced"
    assert price.cost_usd == by_hand / 1_000_000
    assert len(price.card_id) == 16


@given(usages())
def test_a_price_is_the_sum_over_its_parts(usage: Usage) -> None:
    """The cost is linear: input, output and searches alone add up to the whole, to the pico-dollar."""
    whole = claude(usage)
    parts = (
        Usage(
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_1h_tokens,
            0,
        ),
        Usage(0, output_tokens=usage.output_tokens, reasoning_tokens=usage.reasoning_tokens),
        Usage(0, output_tokens=0, web_searches=usage.web_searches),
    )
    assert whole.cost_pico_usd == sum(claude(part).cost_pico_usd or 0 for part in parts)


@given(usages(), st.integers(1, 1000))
def test_more_tokens_never_cost_less(usage: Usage, more: int) -> None:
    """One more token of input or output raises the cost."""
    cost = claude(usage).cost_pico_usd
    assert cost is not None
    longer = Usage(
        (usage.input_tokens or 0) + more,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        web_searches=usage.web_searches,
    )
    assert (claude(longer).cost_pico_usd or 0) > cost


@given(usages())
def test_an_unknown_model_never_costs_zero(usage: Usage) -> None:
    """Whatever was counted, a model that nobody lists has no cost."""
    assert LOADED.price("anthropic", ("claude-next-99",), AT_NS, usage).cost_pico_usd is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(-1, output_tokens=1),
        Usage(10, output_tokens=-1),
        Usage(10, 11, output_tokens=1),
        Usage(10, 6, 5, output_tokens=1),
        Usage(10, 0, 2, 3, 1),
        Usage(10, -1, output_tokens=1),
        Usage(10, output_tokens=1, reasoning_tokens=2),
        Usage(10, output_tokens=1, input_audio_tokens=11),
        Usage(10, output_tokens=1, output_audio_tokens=2),
        Usage(10, output_tokens=1, web_searches=-1),
    ],
)
def test_counts_that_cannot_be_are_bad_usage(usage: Usage) -> None:
    """Negative counts, and parts larger than their total, have no price."""
    assert claude(usage) == Price(None, "bad_usage", "")


def test_no_counts_at_all_is_no_usage() -> None:
    """A call that reported nothing has no price, which is not the price of nothing."""
    assert claude(Usage()) == Price(None, "no_usage", "")
    assert claude(Usage(0, output_tokens=0)).cost_pico_usd == 0


@pytest.mark.parametrize(
    ("usage", "cost_pico_usd"),
    [
        (Usage(1000), 3_000_000_000),
        (Usage(output_tokens=100), 1_500_000_000),
        (Usage(cache_read_tokens=1000, output_tokens=0), 300_000_000),
        (Usage(1000, reasoning_tokens=100), 3_000_000_000 + 1_500_000_000),
    ],
)
def test_half_a_usage_is_a_partial_price(usage: Usage, cost_pico_usd: int) -> None:
    """Where only input or only output was reported, the known part is priced and marked partial."""
    price = claude(usage)
    assert (price.cost_pico_usd, price.status) == (cost_pico_usd, "partial")


def test_an_embedding_needs_no_output() -> None:
    """A model without an output price is fully priced by its input."""
    price = LOADED.price("openai", ("text-embedding-3-small",), AT_NS, Usage(input_tokens=1000))
    assert (price.cost_pico_usd, price.status) == (20_000_000, "priced")


def test_audio_has_its_own_rate_or_that_of_text() -> None:
    """gpt-audio charges audio apart; gpt-4o has no audio price, so that audio is charged as text."""
    usage = Usage(5000, output_tokens=0, input_audio_tokens=4000)
    assert LOADED.price("openai", ("gpt-audio",), AT_NS, usage).cost_usd == Decimal("0.1305")
    assert LOADED.price("openai", ("gpt-4o",), AT_NS, usage).cost_usd == Decimal("0.0125")


def test_a_rate_finer_than_a_pico_dollar_is_kept() -> None:
    """3,000 cache writes at 1/12 dollar per million cost 0.00025 dollars to eight digits, not to six."""
    usage = Usage(3000, 0, 3000, 0, 0)
    price = LOADED.price("openrouter", ("google/gemini-2.5-flash",), AT_NS, usage)
    assert price.cost_usd is not None
    assert abs(price.cost_usd / Decimal("0.00025") - 1) < Decimal("1e-8")
