"""``spanledger whatif`` adds up in the store what pricing each call alone adds up to."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.cli.explain import rates_of
from spanledger_collector.export.store import Store
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.query.whatif import Swap

DAY_NS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
COUNTS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens",
)  # fmt: skip
OWN = """
prices:
  - provider: openai
    model: odd
    reason: contract
    cards:
      - {valid_from: 2026-01-01, input: '0.000000333', cache_read: '0.000000077', output: '1.234567891', request: '1'}
  - provider: openai
    model: nightly
    reason: contract
    cards:
      - {valid_from: 2026-01-01, input: '2', output: '8', slots: [{utc: ['16:30', '23:00'], input: '1', output: '4'}]}
  - {provider: vllm, model: '*', reason: self-hosted, status: not_billed}
"""


def some_calls() -> list[dict[str, Any]]:
    """Calls of all kinds of usage: unknown counts, parts beyond their total, more than anybody can pay."""
    chance = random.Random(7)
    sizes = (None, 0, 1, 7, 900, 127_999, 200_000, 200_001, 1_000_000)
    rows: list[dict[str, Any]] = []
    for number in range(3000):
        small = {name: chance.choice(sizes[:5]) for name in COUNTS}
        row = {**small, "input_tokens": chance.choice(sizes), "output_tokens": chance.choice(sizes[:6])}
        if number % 500 == 0:
            row["input_tokens"] = 2**40
        rows.append(
            {
                "call_id": f"{number:04}", "kind": chance.choice(("llm", "llm", "embedding", "tool")),
                "started_at": DAY_NS + number, "request_model": "gpt-4o", **row,
                "usage_status": chance.choice(("reported", "estimated")),
                "cost_usd": chance.choice((None, Decimal("0.000000000001"), Decimal("1.25"))), "version": 1,
            }
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def calls(empty_store: Store) -> list[dict[str, Any]]:
    """The calls, in the store."""
    rows = some_calls()
    empty_store.insert("calls", tuple(rows[0]), list(zip(*(row.values() for row in rows), strict=True)))
    return rows


@pytest.mark.parametrize("hour", [3, 20])
@pytest.mark.parametrize(
    "new",
    [
        "gpt-4o-mini", "google/gemini-2.5-pro", "anthropic/claude-sonnet-4-5", "openai/odd", "openai/nightly",
        "openai/text-embedding-3-small", "deepseek/deepseek-chat", "vllm/house",
    ],
)  # fmt: skip
def test_the_sum_is_that_of_single_calls(
    empty_store: Store, calls: list[dict[str, Any]], new: str, hour: int, tmp_path: Path
) -> None:
    """Bands, times of day, lacking rates, half a pico-dollar and impossible counts come out as in ``charge``."""
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    catalogue, swap, at_ns = Catalogue.load(own), Swap.parse(f"gpt-4o={new}"), DAY_NS + hour * 3600 * 10**9
    billable = [row for row in calls if row["kind"] != "tool"]
    costs = [
        catalogue.price(swap.provider, (swap.new,), at_ns, Usage(*(row[name] for name in COUNTS))).cost_usd
        for row in billable
    ]
    compared = [(row, cost) for row, cost in zip(billable, costs, strict=True) if None not in (row["cost_usd"], cost)]
    expected = (
        len(billable),
        len(compared),
        sum(row["cost_usd"] for row, _ in compared),
        sum(cost or 0 for _, cost in compared),
        sum(row["usage_status"] == "estimated" for row, _ in compared),
    )
    answer = StoreAsker(empty_store).ask("whatif", {"model": "gpt-4o", **rates_of(catalogue, swap, at_ns)})
    assert answer.rows == [expected]
    assert 0 < len(compared) < len(billable)
