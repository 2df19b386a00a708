"""Attributes that look like usage and that nobody reads are kept by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.normalise.unread import plain_usage
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector, read_logs

CORPUS = Path(__file__).parents[1] / "corpus"
EMITTERS = sorted(path.parent.name for path in CORPUS.glob("*/expected.json"))


@pytest.mark.parametrize("emitter", EMITTERS)
def test_known_emitters_leave_nothing_unread(emitter: str) -> None:
    """Every token count and cost in the corpus is read, or known to say nothing more."""
    collector = MemoryCollector()
    for path in sorted((CORPUS / emitter).glob("traces-*")):
        collector.send(*(received.body for received in read_requests(path)))
    for path in sorted((CORPUS / emitter / "logs").glob("logs-*")):
        collector.send(read_logs(path))
    assert {fact.unread_usage_attributes for fact in collector.ledger.facts} == {""}


@pytest.mark.parametrize(
    "name",
    ["acme.prompt_tokens", "acme.usage.thinkingTokens", "acme.token_count.video", "acme.cost_usd", "ACME.Usage"],
)
def test_a_new_name_for_usage_shows_itself(fact_of, name: str) -> None:
    """On a span of a dialect an attribute that states usage in unknown words is kept by name."""
    fact = fact_of({"gen_ai.operation.name": "chat", name: 12})
    assert fact.unread_usage_attributes == name


@pytest.mark.parametrize(
    "attribute",
    [
        ("acme.max_tokens", 12),
        ("acme.tokens_per_second", 12),
        ("acme.total_tokens", 12),
        ("acme.cost_limit", 12),
        ("process.cpu.usage", 0.5),
        ("acme.session_token", "12"),
        ("acme.prompt_tokens", 0),
        ("acme.prompt_tokens", "secret text"),
        ("gen_ai.usage.input_tokens", 12),
    ],
)
def test_settings_speeds_totals_and_texts_are_no_usage(fact_of, attribute: tuple[str, object]) -> None:
    """What only sounds like usage, states none or is read is not reported."""
    fact = fact_of({"gen_ai.operation.name": "chat"} | dict([attribute]))
    assert fact.unread_usage_attributes == ""


def test_a_dialect_nobody_knows_shows_itself(fact_of) -> None:
    """A span of no dialect that counts tokens is kept as evidence, and bills nothing."""
    fact = fact_of({"acme.prompt_tokens": 12, "acme.completion_tokens": 3, "user.id": "u-1"}, scope="acme")
    assert (fact.kind, fact.dialect, fact.input_tokens) == ("context", "", None)
    assert fact.unread_usage_attributes == "acme.completion_tokens,acme.prompt_tokens"


def test_plain_spans_stay_plain(fact_of) -> None:
    """HTTP and database spans are no facts, also when they have a cost of their own."""
    assert fact_of({"http.request.method": "GET", "http.response.status_code": 200}) is None
    assert fact_of({"db.system": "x", "db.query.cost": 12.5, "auth.token": "12"}) is None


def test_hostile_names_are_bounded() -> None:
    """Neither many names nor long ones nor commas in them make the list longer than it may be."""
    names = plain_usage({f"a{number}.tokens,{'x' * 500}": 1 for number in range(500)})
    assert len(names) < 1100
    assert len(names.split(",")) == 10
