"""The agreed prices of several catalogues, and the calls that nobody can price."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_collector.price import Catalogue, Usage

VECTORS = Path(__file__).parents[1] / "corpus" / "prices" / "vectors.jsonl"
ROWS = [json.loads(line) for line in VECTORS.read_text().splitlines()]
AGREED = [row for row in ROWS if row["status"] == "agreed"]
UNKNOWN = [row for row in ROWS if row["status"] == "unknown"]
RELATIVE_ERROR = Decimal("1e-7")


def usage_of(counts: dict[str, int]) -> Usage:
    """The vector's counts in our terms: cache writes are one total, absent is zero."""
    return Usage(
        input_tokens=counts.get("input_tokens", 0),
        cache_read_tokens=counts.get("cache_read", 0),
        cache_write_tokens=counts.get("cache_write", 0) + counts.get("cache_write_1h", 0),
        cache_write_1h_tokens=counts.get("cache_write_1h", 0),
        output_tokens=counts.get("output_tokens", 0),
        reasoning_tokens=counts.get("reasoning", 0),
        input_audio_tokens=counts.get("input_audio", 0),
        output_audio_tokens=counts.get("output_audio", 0),
        web_searches=counts.get("web_searches", 0),
    )


def name(row: dict[str, object]) -> str:
    """A test id that finds the row."""
    return f"{row['id']}-{row['provider']}-{row['model']}"


@pytest.mark.parametrize("row", AGREED, ids=name)
def test_an_agreed_price_is_ours_too(row, catalogue: Catalogue, at_ns) -> None:
    """Where separately kept catalogues agree on the cost of a call, ours is within 1e-7 of it."""
    price = catalogue.price(
        row["provider"],
        (row["model"],),
        at_ns(row["timestamp"]),
        usage_of(row["usage"]),
        row["service_tier"],
    )
    expected_usd = Decimal(row["expected_usd"])
    assert price.cost_usd is not None, price.status
    assert abs(price.cost_usd - expected_usd) <= RELATIVE_ERROR * expected_usd


@pytest.mark.parametrize("row", UNKNOWN, ids=name)
def test_a_call_nobody_can_price_has_no_price(row, catalogue: Catalogue, at_ns) -> None:
    """An unknown provider or model costs None and says why; never 0."""
    price = catalogue.price(row["provider"], (row["model"],), at_ns(row["timestamp"]), usage_of(row["usage"]))
    assert price.cost_pico_usd is None
    assert price.status in ("unknown_model", "unknown_provider")


def test_the_vectors_are_all_there() -> None:
    """The corpus was read: neither kind of row that we assert is missing."""
    assert len(AGREED) == 513
    assert len(UNKNOWN) == 15
