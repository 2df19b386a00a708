"""Random calls: our integer cards against the calculation of the wheel that they were compiled from."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from genai_prices import Usage as GenaiUsage
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider

from spanledger_collector.names import shipped_names
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.compile import CONTEXT_KEYS, TIERS
from spanledger_collector.price.names import Resolver
from spanledger_collector.price.overrides import shipped_corrections

BY_ID = {provider.id: provider for provider in providers}
RESOLD = [
    (provider, model)
    for provider in providers
    for maker in provider.fallback_model_providers or ()
    for model in BY_ID[maker].models
]
PAIRS = [(provider, model) for provider in providers for model in provider.models] + RESOLD
CORRECTIONS = shipped_corrections()
CORRECTED = {(card.provider, card.model) for card in CORRECTIONS.cards}
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
SPAN_SECONDS = int((datetime(2027, 6, 1, tzinfo=UTC) - FIRST).total_seconds())
EDGES = (100_000, 128_000, 199_999, 200_000, 256_000, 272_000)


def random_counts(rng: random.Random) -> dict[str, int]:
    """Valid inclusive counts; every fourth input lies at the edge of a long-context band."""
    total = rng.choice(EDGES) + rng.choice((0, 1)) if rng.random() < 0.25 else int(10 ** rng.uniform(0, 6))
    parts = sorted(rng.randint(0, total) for _ in range(3))
    cached = rng.random() < 0.6
    written = parts[1] - parts[0] if cached and rng.random() < 0.6 else 0
    output = int(10 ** rng.uniform(0, 5))
    reasoning = rng.randint(0, output // 2) if rng.random() < 0.4 else 0
    return {
        "input_tokens": total,
        "cache_read_tokens": parts[0] if cached else 0,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": rng.randint(0, written) if rng.random() < 0.4 else 0,
        "output_tokens": output,
        "reasoning_tokens": reasoning,
        "input_audio_tokens": total - parts[1] if rng.random() < 0.1 else 0,
        "output_audio_tokens": rng.randint(0, output - reasoning) if rng.random() < 0.1 else 0,
        "web_searches": rng.choice((0, 0, 0, 0, 3)),
    }


def genai_cost_usd(provider: Provider, model: ModelInfo, at: datetime, counts: dict[str, int], tier: str) -> Decimal:
    """What the wheel itself says; it wants to be told that no audio was cached."""
    usage = GenaiUsage(
        **{"output_reasoning_tokens" if key == "reasoning_tokens" else key: n for key, n in counts.items()},
        cache_audio_read_tokens=0,
        cache_audio_write_tokens=0,
        cache_audio_write_1h_tokens=0,
        output_audio_reasoning_tokens=0,
    )
    context = dict.fromkeys(CONTEXT_KEYS, tier) if tier else None
    result = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=context)
    return result.total_price


def compare(catalogue: Catalogue, calls: int, seed: int) -> int:
    """Price random calls both ways; the number that was compared, the others being documented traps."""
    rng = random.Random(seed)
    compared = 0
    for _ in range(calls):
        provider, listed = rng.choice(PAIRS)
        model = provider.find_model(listed.id, all_providers=providers) or listed
        at = FIRST + timedelta(seconds=rng.randrange(SPAN_SECONDS))
        tier = rng.choice(("", "", *TIERS))
        counts = random_counts(rng)
        price = catalogue.price(provider.id, (listed.id,), int(at.timestamp()) * 1_000_000_000, Usage(**counts), tier)
        if (provider.id, model.id) in CORRECTED or price.status == "not_billed":
            continue
        expected_usd = genai_cost_usd(provider, model, at, counts, tier)
        if price.status == "unknown_model":
            # There a dated model before its date has a price all the same, and an empty price list costs 0.
            assert expected_usd == 0 or starts_after(catalogue, provider, model, at), (provider.id, model.id)
            continue
        where = (provider.id, model.id, at, tier, counts, price)
        assert price.status in ("priced", "partial", "tier_fallback"), where
        assert price.cost_usd is not None
        assert abs(price.cost_usd - expected_usd) <= Decimal("1e-12") + Decimal("1e-7") * expected_usd, where
        compared += 1
    return compared


def starts_after(catalogue: Catalogue, provider: Provider, model: ModelInfo, at: datetime) -> bool:
    """Whether every card of the model begins later."""
    starts_ns = [
        card.valid_from_ns for card in catalogue.cards() if (card.provider, card.model) == (provider.id, model.id)
    ]
    return min(starts_ns) > at.timestamp() * 1e9


def test_random_calls_cost_what_the_wheel_says(catalogue: Catalogue) -> None:
    """20,000 random usages, models, dates and tiers give the wheel's own price, documented traps left out."""
    assert compare(catalogue, 20_000, seed=20261120) > 15_000


def test_every_model_of_the_wheel_is_found_by_its_own_name(catalogue: Catalogue) -> None:
    """Anchoring costs no name: what the wheel resolves by a model's id, ours resolves to the same model."""
    resolver = Resolver(shipped_names(), providers, [CORRECTIONS])
    for provider, listed in PAIRS:
        found = provider.find_model(listed.id, all_providers=providers)
        if found is not None:
            assert resolver.model(provider.id, listed.id) == found.id
