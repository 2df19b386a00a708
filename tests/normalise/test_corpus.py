"""Spans of real emitters against the truth from the provider's side, call by call and tool by tool.

What no reader of the spans can know stands in ``expected_gaps.yaml``, with its reason; nothing else may be missing.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from spanledger_collector.model import Call
from spanledger_collector.normalise import classify
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector, read_logs

HERE = Path(__file__).parent
CORPUS = HERE.parent / "corpus"
EMITTERS = [
    "anthropic_sdk_native",
    "bedrock_botocore",
    "claude_cli",
    "gemini_cli",
    "genai_anthropic",
    "genai_openai",
    "google_genai",
    "langfuse_v3",
    "langgraph_openinference_both",
    "langsmith_otel",
    "litellm_otel",
    "mlflow",
    "openai_agents_openinference",
    "openai_v2_default",
    "openinference",
    "openlit",
    "pydantic_ai",
    "pydantic_ai_1x",
    "smolagents_openinference",
    "strands",
    "traceloop",
    "vercel_ai_v4",
    "vercel_ai_v6",
    "vercel_ai_v6_json",
    "vercel_ai_v7",
]
A_SPAN_AN_ATTEMPT = {"vercel_ai_v4", "vercel_ai_v6", "vercel_ai_v6_json"}
"""Emitters that retry above the span of the call."""
GAPS: dict[str, list[dict[str, Any]]] = yaml.safe_load((HERE / "expected_gaps.yaml").read_text())
TOOLS: dict[str, dict[str, dict[str, int]]] = yaml.safe_load((HERE / "executed_tools.yaml").read_text())

PROVIDERS = {"google": "gcp.gemini"}
"""Providers that the truth calls by another name than the semantic conventions."""
TOKENS = [
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
]
NAMES = ["response_id", "provider", "request_model", "response_model"]


@cache
def ledger_of(emitter: str) -> tuple[Call, ...]:
    """Every request of the emitter, one batch each: spans in order of arrival, then log records.

    What the spans say is looked at here; what is estimated where they say nothing has tests of its own.
    """
    collector = MemoryCollector()
    with patch.object(classify, "estimate", lambda attributes: {}):
        for path in sorted((CORPUS / emitter).glob("traces-*")):
            for received in read_requests(path):
                collector.send(received.body)
        for path in sorted((CORPUS / emitter / "logs").glob("logs-*")):
            collector.send(read_logs(path))
    return tuple(collector.calls())


@cache
def truth_of(emitter: str) -> dict[str, Any]:
    """What the provider sent and billed."""
    return json.loads((CORPUS / emitter / "expected.json").read_text())


def answered(emitter: str) -> list[dict[str, Any]]:
    """The calls that the provider answered and billed."""
    return [call for call in truth_of(emitter)["calls"] if call["billable"]]


def gaps_of(emitter: str, call: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of the reviewed file that are about this call."""
    names = {call["scenario"], call["api"], call["response_id"]}
    return [gap for gap in GAPS.get(emitter, []) if "calls" not in gap or names & set(gap["calls"])]


def visible(emitter: str, call: dict[str, Any]) -> dict[str, Any] | None:
    """What the ledger is to say of a call: the truth as far as the client got to know it, less the reviewed gaps."""
    told = call["usage_reported_to_client"] and call["scenario"] != "chat_stream_abandoned"
    row: dict[str, Any] = {
        "usage_status": "reported" if told else "missing",
        **{name: call[name] or "" for name in NAMES},
        **{name: call[name] if told else None for name in TOKENS},
    }
    row["provider"] = PROVIDERS.get(row["provider"], row["provider"])
    for gap in gaps_of(emitter, call):
        if gap.get("row") == "none":
            return None
        row.update(gap["says"])
    if row["usage_status"] == "missing":
        row.update(dict.fromkeys(TOKENS))
    return row


def compared(row: dict[str, Any]) -> str:
    """One line a row; a part that nobody counted and a part of zero are the same."""
    return " ".join(f"{name}={row[name] or 0}" for name in ("usage_status", *NAMES, *TOKENS))


def calls_of(emitter: str) -> list[Call]:
    """The rows that are no tools."""
    return [call for call in ledger_of(emitter) if call.kind != "tool"]


def refused(call: Call) -> bool:
    """A call that failed and used nothing."""
    return call.status == "error" and call.usage_status == "missing" and not call.response_id


@pytest.mark.parametrize("emitter", EMITTERS)
def test_the_ledger_says_of_each_call_what_its_spans_can_say(emitter: str) -> None:
    """One row a call: each kind of token, id, model and provider as the provider billed it, less the reviewed gaps."""
    expected = [row for call in answered(emitter) if (row := visible(emitter, call)) is not None]
    rows = [{name: getattr(call, name) for name in row_names()} for call in calls_of(emitter) if not refused(call)]
    print(f"\n{emitter}")
    for name in TOKENS:
        ledger = sum(row[name] or 0 for row in rows)
        print(f"  {name:22} ledger {ledger:>7}  billed {sum(call[name] for call in answered(emitter)):>7}")
    assert Counter(map(compared, rows)) == Counter(map(compared, expected))


def row_names() -> list[str]:
    """The compared columns of the ledger."""
    return ["usage_status", *NAMES, *TOKENS]


@pytest.mark.parametrize("emitter", GAPS)
def test_no_gap_claims_more_than_the_truth(emitter: str) -> None:
    """What the reviewed file says in place of the truth is never above it, and each of its entries is about a call."""
    for call in answered(emitter):
        for gap in gaps_of(emitter, call):
            for name in set(TOKENS) & set(gap.get("says", ())):
                assert (gap["says"][name] or 0) <= call[name]
    for gap in GAPS[emitter]:
        assert gap["why"]
        assert any(gap in gaps_of(emitter, call) for call in truth_of(emitter)["calls"])


@pytest.mark.parametrize("emitter", EMITTERS)
def test_a_refused_call_is_a_row_that_cost_nothing(emitter: str) -> None:
    """A scenario that never got an answer is one row, however often it was tried, unless each try is a span."""
    answers = {call["scenario"] for call in answered(emitter)}
    unseen = {name for gap in GAPS.get(emitter, []) if gap.get("row") == "none" for name in gap["calls"]}
    failed = {call["scenario"] for call in truth_of(emitter)["calls"]} - answers - unseen
    attempts = [call for call in truth_of(emitter)["calls"] if not call["billable"]]
    rows = [call for call in calls_of(emitter) if refused(call)]
    assert len(rows) == len(attempts if emitter in A_SPAN_AN_ATTEMPT else failed)
    assert all(row.cost_usd == 0 and row.price_status == "not_billed" for row in rows)


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_was_reported_is_priced_and_what_was_not_is_unknown(emitter: str) -> None:
    """Known models have a cost above zero and name the card it came from; without usage there is no cost, not zero."""
    for row in calls_of(emitter):
        if row.usage_status != "missing":
            assert row.cost_usd is not None
            assert row.cost_usd > 0
            assert row.price_card_id
        elif row.status == "ok":
            assert (row.cost_usd, row.price_status) == (None, "no_usage")


@pytest.mark.parametrize("emitter", EMITTERS)
def test_each_tool_execution_is_one_row(emitter: str) -> None:
    """Number, name and outcome of the tools that ran; a request for a tool, a hand-over and a wrapper are none."""
    executed = Counter((call.tool_name, call.status) for call in ledger_of(emitter) if call.kind == "tool")
    expected = {
        (name, outcome): number
        for name, outcomes in TOOLS.get(emitter, {}).items()
        for outcome, number in outcomes.items()
    }
    assert executed == Counter(expected)
