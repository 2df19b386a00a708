"""Pricing one call: our cards beside genai-prices' own calculation, as a ratio. Runs in a few seconds.

    python benchmarks/price.py

Microseconds per call, best of five rounds in one process; both price the same usage at the same instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import genai_prices

from spanledger_collector.price import Catalogue, Usage

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT_NS = int(AT.timestamp()) * 1_000_000_000

# name, (provider, model, tier), usage as ours, the same as genai-prices', its request context
CASES = [
    (
        "plain",
        ("openai", "gpt-4o", ""),
        Usage(input_tokens=1200, output_tokens=340),
        {"input_tokens": 1200, "output_tokens": 340},
        None,
    ),
    (
        "cache read and write",
        ("anthropic", "claude-sonnet-4-5", ""),
        Usage(9001, 4000, 3000, 2000, 123),
        {
            "input_tokens": 9001,
            "cache_read_tokens": 4000,
            "cache_write_tokens": 3000,
            "cache_write_1h_tokens": 2000,
            "output_tokens": 123,
        },
        None,
    ),
    (
        "flex tier, reasoning",
        ("openai", "o3", "flex"),
        Usage(1200, None, None, None, 900, 600),
        {"input_tokens": 1200, "output_tokens": 900, "output_reasoning_tokens": 600},
        {"service_tier": "flex"},
    ),
    (
        "time of day",
        ("deepseek", "deepseek-v4-pro", ""),
        Usage(12000, 10000, None, None, 700),
        {"input_tokens": 12000, "cache_read_tokens": 10000, "output_tokens": 700},
        None,
    ),
]


def microseconds(call: Callable[[], object], repeat: int) -> float:
    """The best of five rounds of ``repeat`` calls, per call."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(repeat):
            call()
        best = min(best, time.perf_counter() - started)
    return best / repeat * 1e6


def main() -> None:
    """Print a line a case."""
    started = time.perf_counter()
    catalogue = Catalogue.load()
    print(f"catalogue loaded in {time.perf_counter() - started:.2f} s, {len(list(catalogue.cards()))} cards")
    print(f"{'case':22} {'ours us':>8} {'genai us':>9} {'ratio':>7}")
    for name, (provider, model, tier), usage, raw, context in CASES:
        models = (model, model)
        ours = microseconds(lambda: catalogue.price(provider, models, AT_NS, usage, tier), 50_000)  # noqa: B023
        genai_usage = genai_prices.Usage(**raw)
        theirs = microseconds(
            lambda: genai_prices.calc_price(
                genai_usage,  # noqa: B023
                model,  # noqa: B023
                provider_id=provider,  # noqa: B023
                genai_request_timestamp=AT,
                price_context=context,  # noqa: B023
            ),
            1_000,
        )
        print(f"{name:22} {ours:8.2f} {theirs:9.1f} {theirs / ours:6.0f}x")
    unknown = microseconds(lambda: catalogue.price("openrouter", ("acme/no-such",), AT_NS, usage), 50_000)
    print(f"{'unknown model':22} {unknown:8.2f}")


if __name__ == "__main__":
    main()
