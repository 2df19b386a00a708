"""Spans of real emitters against the truth from the provider's side."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.model import Call
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector

CORPUS = Path(__file__).parents[1] / "corpus"
EMITTERS = [
    "genai_openai",
    "genai_anthropic",
    "anthropic_sdk_native",
    "openinference",
    "langgraph_openinference_both",
]
TOKENS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]


def ledger_of(emitter: str) -> list[Call]:
    """Every request of the emitter, one batch each, in order of arrival."""
    collector = MemoryCollector()
    for path in sorted((CORPUS / emitter).glob("traces-*")):
        for received in read_requests(path):
            collector.send(received.body)
    return [call for call in collector.calls() if call.kind != "tool"]


def truth_of(emitter: str) -> dict[str, Any]:
    """What the provider sent and billed."""
    return json.loads((CORPUS / emitter / "expected.json").read_text())


def reported_calls(truth: dict[str, Any]) -> list[dict[str, Any]]:
    """The provider's calls whose usage reached the client: what a perfect reader of the spans can know."""
    return [
        call
        for call in truth["calls"]
        if call["billable"]
        and call["usage_reported_to_client"]
        and call["scenario"] != "chat_stream_abandoned"
    ]


def known(row: Call | dict[str, Any], with_response_id: bool) -> tuple[Any, ...]:
    """The compared part of a call; embeddings have no response id on the wire."""
    get = row.get if isinstance(row, dict) else lambda name: getattr(row, name)
    response_id = get("response_id") if with_response_id else ""
    return (response_id, get("provider"), get("request_model"), *((get(name) or 0) for name in TOKENS))


@pytest.mark.parametrize("emitter", EMITTERS)
def test_the_ledger_equals_the_visible_truth(emitter: str) -> None:
    """One row a call, and each kind of token, model and provider as the provider billed them."""
    truth = truth_of(emitter)
    visible = reported_calls(truth)
    rows = [call for call in ledger_of(emitter) if call.usage_status == "reported"]
    print(f"\n{emitter}")
    for name in TOKENS:
        print(
            f"  {name:20} ledger {sum(getattr(r, name) or 0 for r in rows):>8}  truth {sum(c[name] for c in visible):>8}"
        )
    assert Counter(known(row, row.kind == "llm") for row in rows) == Counter(
        known(call, call["api"] != "embeddings") for call in visible
    )
    assert len(rows) == truth["totals_visible_to_client"]["calls"]
    models = {call["response_id"]: call["response_model"] for call in visible}
    assert all(row.response_model == models[row.response_id] for row in rows if row.kind == "llm")


@pytest.mark.parametrize("emitter", EMITTERS)
def test_rows_without_usage_are_the_calls_that_reported_none(emitter: str) -> None:
    """A stream without usage is a row that says so, a failed call is a row that cost nothing, and there are no others."""
    truth = truth_of(emitter)
    answered = {c["response_id"] for c in truth["calls"] if c["response_id"]}
    visible = {c["response_id"] for c in reported_calls(truth)}
    missing = [call for call in ledger_of(emitter) if call.usage_status == "missing"]
    begun = {row.response_id for row in missing if row.response_id}
    assert begun == {i for i in answered - visible if not i.startswith(("emb", "None"))}
    assert all(row.cost_usd is None and row.price_status == "no_usage" for row in missing if row.response_id)
    refused = [row for row in missing if not row.response_id]
    assert all(
        row.status == "error" and row.cost_usd == 0 and row.price_status == "not_billed" for row in refused
    )
    failed = [c for c in truth["calls"] if not c["response_id"] and c["http_status"] >= 400]
    assert len(refused) <= len(failed)


@pytest.mark.parametrize("emitter", EMITTERS)
def test_every_reported_call_is_priced(emitter: str) -> None:
    """Known models have a cost above zero, and name the card it came from."""
    rows = [call for call in ledger_of(emitter) if call.usage_status == "reported"]
    assert rows
    for row in rows:
        assert row.cost_usd is not None
        assert row.cost_usd > 0
        assert row.price_card_id
