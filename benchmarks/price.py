"""Pricing one call beside genai-prices' own calculation, and re-pricing a ledger beside a plain sum, as ratios.

    python benchmarks/price.py

On one core. Microseconds per call are the best of five rounds in one process; both price the same usage at the same
instant. A row is what the pipeline prices, by either twin of that. The ledger is a million calls of 40 models in one
embedded store; `SELECT sum` reads the same rows with FINAL. Takes about a minute.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import genai_prices

from spanledger_collector import compiled
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.records import CALLS
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.model import Call
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.calls import priced
from spanledger_collector.price.reprice import Interval, Repricer

LEDGER_CALLS = 1_000_000
EVER = Interval("1970-01-01 00:00:00.000000000", "2262-01-01 00:00:00.000000000")
OWN_PRICE = """
prices:
  - {provider: openai, model: gpt-4o, reason: negotiated, cards: [{valid_from: 2026-01-01, input: '2', output: '8'}]}
"""
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


def price_one_call() -> None:
    """Print a line a case."""
    started = time.perf_counter()
    catalogue = Catalogue.load()
    print(f"catalogue loaded in {time.perf_counter() - started:.2f} s, {len(list(catalogue.cards()))} cards")
    print(f"{'case':22} {'ours us':>8} {'genai us':>9} {'ratio':>7} {'a row us, pure / compiled':>26}")
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
        call = row((provider, model, tier), usage)
        pure, compiled_too = both_twins(lambda: priced(call, catalogue))  # noqa: B023
        print(f"{name:22} {ours:8.2f} {theirs:9.1f} {theirs / ours:6.0f}x {f'{pure:.2f} / {compiled_too:.2f}':>26}")
    unknown = microseconds(lambda: catalogue.price("openrouter", ("acme/no-such",), AT_NS, usage), 50_000)
    print(f"{'unknown model':22} {unknown:8.2f}")


def row(named: tuple[str, str, str], usage: Usage) -> Call:
    """A row of the ledger with this usage, not priced yet."""
    empty = {name: column.empty for name, column in zip(Call._fields, CALLS.columns.values(), strict=False)}
    provider, model, tier = named
    counts = {name: count for name, count in usage._asdict().items() if count}
    call = Call(**empty)._replace(kind="llm", usage_status="reported", started_at_ns=AT_NS, **counts)
    return call._replace(provider=provider, request_model=model, response_model=model, service_tier=tier)


def both_twins(call: Callable[[], object]) -> tuple[float, float]:
    """What the pure twins take, and those in use."""
    built, compiled.PURE = compiled.PURE, True
    pure = microseconds(call, 50_000)
    compiled.PURE = built
    return pure, microseconds(call, 50_000)


def reprice_a_ledger() -> None:
    """Print rows per second of a plain sum, of a plan, of a re-pricing of every row, and of one of few rows."""
    with tempfile.TemporaryDirectory() as directory:
        store = open_embedded(Path(directory, "store"))
        try:
            migrate(store)
            fill(store, Catalogue.load())
            own = Path(directory, "own.yaml")
            own.write_text(OWN_PRICE)
            everything, few = Repricer(store, Catalogue.load()), Repricer(store, Catalogue.load(own))
            plain = rows_per_second(lambda: store.query("SELECT sum(cost_usd) FROM calls FINAL"))
            print(f"\n{'one core, a million calls':36} {'rows/s':>10} {'SELECT sum is':>14}")
            for name, work in (
                ("SELECT sum(cost_usd) ... FINAL", None),
                ("plan (--dry-run)", lambda: everything.plan(EVER)),
                ("re-pricing, every row changes", lambda: everything.commit(EVER)),
                ("re-pricing, 1 row in 40 changes", lambda: few.commit(EVER)),
                ("re-pricing again, no row changes", lambda: few.commit(EVER)),
            ):
                speed = rows_per_second(work) if work else plain
                print(f"{name:36} {speed:10,.0f} {plain / speed:13.1f}x")
        finally:
            store.close()


def rows_per_second(work: Callable[[], object]) -> float:
    """Rows of the ledger per second of one run."""
    started = time.perf_counter()
    work()
    return LEDGER_CALLS / (time.perf_counter() - started)


def fill(store: Store, catalogue: Catalogue) -> None:
    """A ledger of unpriced calls within 30 days."""
    names = sorted({(card.provider, card.model) for card in catalogue.cards() if card.provider == "openai"})[:39]
    chosen = [("openai", "gpt-4o"), *(name for name in names if name[1] != "gpt-4o")]
    models = ", ".join(f"'{model}'" for _, model in chosen)
    store.command(
        f"""
        INSERT INTO calls (call_id, kind, trace_id, span_id, started_at, status, provider, request_model, response_id,
            input_tokens, cache_read_tokens, output_tokens, usage_status, price_status, task, agent, version,
            is_deleted)
        SELECT lower(hex(sipHash128(number))), 'llm', lower(hex(sipHash128(number % 100000))), toString(number),
            toDateTime64('2026-10-01 00:00:00', 9, 'UTC') + number * 2 % 2592000, 'ok', 'openai',
            [{models}][number % {len(chosen)} + 1], concat('chatcmpl-', toString(number)),
            1000 + number % 5000, number % 1000, number % 700, 'reported', '', concat('T-', toString(number % 5000)),
            'coder', 1048576, 0
        FROM numbers({LEDGER_CALLS})
        """
    )
    store.command("OPTIMIZE TABLE calls FINAL")


if __name__ == "__main__":
    # Before chDB starts its threads, which are as many as there are cores.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    price_one_call()
    reprice_a_ledger()
