"""Both twins put the same price on every call."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_collector.export.records import CALLS
from spanledger_collector.model import Call
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced

Pure = Callable[[], AbstractContextManager[None]]
VECTORS = Path(__file__).parents[1] / "corpus" / "prices" / "vectors.jsonl"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The prices that ship."""
    return Catalogue.load()


NAMED = st.sampled_from(
    [
        *(("openai", "gpt-4o", "gpt-4o-2024-08-06", ""), ("openai", "o3", "", "flex"), ("openai", "gpt-4.1", "", "x")),
        *(("anthropic", "claude-sonnet-4-5", "", ""), ("google", "gemini-2.5-pro", "", "")),
        *(("deepseek", "deepseek-v4-pro", "", ""), ("acme", "no-such", "", ""), ("", "", "", "")),
        *(("openai", "text-embedding-3-small", "", ""), ("ollama", "llama3", "", "")),
    ]
)
TOKENS = st.one_of(st.none(), st.integers(-2, 300_000), st.sampled_from([0, 200_000, 2**53, 2**62, 2**80]))
COUNTED = (
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "input_image_tokens", "web_searches"),
)
EMPTY_CALL = Call(**{name: column.empty for name, column in zip(Call._fields, CALLS.columns.values(), strict=False)})


@settings(max_examples=2_000, deadline=None)
@given(
    NAMED,
    st.fixed_dictionaries({}, optional=dict.fromkeys(COUNTED, TOKENS)),
    st.sampled_from(["reported", "reported", "estimated", "missing"]),
    st.integers(1_700_000_000, 1_830_000_000),
    st.sampled_from([{}, {"status": "error"}, {"kind": "tool"}, {"reported_cost_usd": Decimal("0.25")}]),
)
def test_both_twins_price_every_call_the_same(
    pure: Pure,
    catalogue: Catalogue,
    named: tuple[str, str, str, str],
    counts: dict[str, int | None],
    usage_status: str,
    started_at_s: int,
    more: dict[str, Any],
) -> None:
    """Cost to its last digit, status and card: names known or not, counts sensible or not, any time of day."""
    provider, request_model, response_model, service_tier = named
    call = EMPTY_CALL._replace(
        kind="llm",
        provider=provider,
        request_model=request_model,
        response_model=response_model,
        service_tier=service_tier,
        usage_status=usage_status,
        started_at_ns=started_at_s * 1_000_000_000,
        **counts,
    )._replace(**more)
    found = priced(call, catalogue)
    with pure():
        expected = priced(call, catalogue)
    assert found == expected
    assert str(found.cost_usd) == str(expected.cost_usd)
    assert type(found) is Call


def test_both_twins_price_the_vectors_the_same(pure: Pure, catalogue: Catalogue) -> None:
    """The calls whose prices several catalogues agree on, and those nobody can price."""
    calls = []
    for row in map(json.loads, VECTORS.read_text().splitlines()):
        counts = {f"{name.removesuffix('_tokens')}_tokens": count for name, count in row["usage"].items()}
        counts = {name: count for name, count in counts.items() if name in COUNTED}
        at = datetime.fromisoformat(row["timestamp"])
        call = EMPTY_CALL._replace(kind="llm", provider=row["provider"], request_model=row["model"], **counts)
        calls.append(
            call._replace(service_tier=row.get("service_tier", ""), started_at_ns=int(at.timestamp()) * 1_000_000_000)
        )
    found = [priced(call, catalogue) for call in calls]
    assert sum(call.cost_usd is not None for call in found) > 500
    with pure():
        assert found == [priced(call, catalogue) for call in calls]
