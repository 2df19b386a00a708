"""The ledger in the store, and its in-memory twin: one contract for both."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.decode import Decoder
from spanledger_collector.decode.spans import spans_of
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.fold import NS_PER_HOUR
from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import CALL_FIELDS, REPRICING_BITS, Fact
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.files import read_requests

from .conftest import emptied

DAY_NS = 86_400_000_000_000
FULL = Fact(
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    parent_span_id="00f067aa0ba902b7",
    started_at_ns=1_795_458_527_566_571_123,
    ended_at_ns=1_795_458_528_000_000_001,
    service="svc",
    instance="i-1",
    scope="scope",
    dialect="semconv",
    trust=50,
    kind="llm",
    operation="chat",
    provider="openai",
    request_model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    response_id="chatcmpl-A1b2C3d4",
    service_tier="default",
    stream=True,
    status="error",
    error_type="TimeoutError",
    ttft_ms=12.345678,
    input_tokens=1200,
    cache_read_tokens=0,
    output_tokens=80,
    usage_estimated=True,
    reported_cost_usd=Decimal("0.012300000001"),
    task="T-1 'quoted' \\ and ünïcode",
    agent="coder",
    team="platform",
    user="u",
    session="s",
)


@pytest.fixture(params=["embedded", "over_http", "server", "memory"])
def ledger(request: pytest.FixtureRequest) -> Any:
    """Both implementations of the seam, on each kind of store."""
    if request.param == "memory":
        return MemoryLedger()
    return Ledger(emptied(request.getfixturevalue(request.param)))


def test_facts_come_back_as_they_were_written(ledger: Any) -> None:
    """Every field survives exactly: nanoseconds, money, unknown counts, quotes and all."""
    bare = Fact("t2", "s2")
    ledger.write_facts([FULL, bare])
    ledger.write_facts([FULL])
    assert set(ledger.facts_of_traces([FULL.trace_id, "t2", "absent"])) == {FULL, bare}
    assert set(ledger.facts_of_responses([FULL.response_id])) == {FULL}


def test_matching_facts_are_found_within_their_window(ledger: Any) -> None:
    """A match key finds calls whose interval touches the window, and no others."""
    ledger.write_facts([FULL])
    key = match_key(FULL)
    touching = MatchWindow(key, FULL.ended_at_ns, FULL.ended_at_ns + DAY_NS, unidentified=False)
    later = MatchWindow(key, FULL.ended_at_ns + DAY_NS, FULL.ended_at_ns + 2 * DAY_NS, unidentified=False)
    assert list(ledger.facts_matching([touching, later])) == [FULL]
    assert list(ledger.facts_matching([later])) == []
    assert list(ledger.facts_matching([touching._replace(match_key=key + 1)])) == []


def test_calls_with_a_response_id_are_looked_for_only_where_one_may_match(ledger: Any) -> None:
    """Who has an id of its own asks for those without one, weak ids among them, and for no others."""
    unnamed = [FULL._replace(span_id=f"s{i}", response_id=weak) for i, weak in enumerate(("", "chatcmpl-417", "resp_"))]
    ledger.write_facts([FULL, *unnamed])
    window = MatchWindow(match_key(FULL), FULL.started_at_ns, FULL.ended_at_ns, unidentified=True)
    assert set(ledger.facts_matching([window])) == set(unnamed)
    assert set(ledger.facts_matching([window, window._replace(unidentified=False)])) == {FULL, *unnamed}


def test_absent_parents_are_those_no_fact_stands_for(ledger: Any) -> None:
    """A parent that never arrived is named, one that is a fact is not."""
    child = Fact(FULL.trace_id, "c1", FULL.span_id)
    ledger.write_facts([FULL, child])
    assert list(ledger.absent_parents(10)) == [(FULL.trace_id, FULL.parent_span_id)]
    assert list(ledger.absent_parents(0)) == []


def test_stored_spans_become_context(ledger: Any, corpus: Path) -> None:
    """A span that was stored as plain is found again by its place, with whom it ran for."""
    (received,) = read_requests(corpus / "openinference" / "traces-001.bin")
    ledger.write_spans(Decoder(bool, bool).decode([received.body]).block)
    span = next(spans_of(received.body))
    (found,) = ledger.spans_as_context([(span.trace_id, span.span_id), (span.trace_id, "absent")])
    assert (found.kind, found.session, found.user, found.service) == (
        "context",
        "sess-1",
        "user-1",
        "svc-openinference",
    )


def test_the_highest_version_of_a_row_stands(any_store: Store) -> None:
    """A poorer row that is written later does not replace a richer one; a deleted row is gone until a later version."""
    ledger = Ledger(any_store)
    key = (FULL.started_at_ns // NS_PER_HOUR, "id")
    collected = MemoryPipeline([FULL]).call
    for version, call in ((3, collected), (1, None), (2, collected)):
        ledger.write_rows([LedgerRow(key, call, version)])
    assert any_store.query("SELECT count(), any(version) FROM calls FINAL").rows == [(1, 3 << REPRICING_BITS)]
    ledger.write_rows([LedgerRow((key[0], collected.call_id), None, 4)])
    assert any_store.query("SELECT count() FROM calls FINAL").rows == [(0,)]


class MemoryPipeline:
    """The one call that follows from some facts."""

    def __init__(self, facts: list[Fact]) -> None:
        from spanledger_collector.merge import fold

        (self.call,) = (row.call for row in fold(facts).values() if row.call)


@pytest.mark.parametrize("emitter", ["langgraph_openinference_both", "genai_anthropic"])
def test_both_twins_hold_the_same_ledger(any_store: Store, corpus: Path, emitter: str) -> None:
    """The same requests, each twice, with a restart between any two: row for row the same in chDB and in memory."""
    catalogue = Catalogue.load()
    memory = MemoryLedger()
    for path in sorted((corpus / emitter).glob("traces-*")):
        for received in read_requests(path):
            for _ in range(2):
                Pipeline(Ledger(any_store), catalogue).process([received.body])
                Pipeline(memory, catalogue).process([received.body])
    columns = [
        f"toUnixTimestamp64Nano({name.removesuffix('_ns')})" if name.endswith("_ns") else name for name in CALL_FIELDS
    ]
    stored = any_store.query(f"SELECT {', '.join(columns)} FROM calls FINAL ORDER BY started_at, call_id").rows
    expected = [tuple(getattr(call, name) for name in CALL_FIELDS) for call in memory.calls()]
    assert stored == expected
    spans = {span for path in (corpus / emitter).glob("traces-*") for span in _span_ids(path)}
    assert any_store.query("SELECT count() FROM otel_traces FINAL").rows == [(len(spans),)]


def _span_ids(path: Path) -> Callable[[], str] | Any:
    return (span.span_id for received in read_requests(path) for span in spans_of(received.body))
