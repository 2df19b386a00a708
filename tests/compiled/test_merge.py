"""Both twins of the merge make the same rows of the same facts, and have seen the same keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_collector import compiled
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.merge import LedgerRow, Settler, fold, with_calls
from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact, Resource
from spanledger_collector.normalise import context
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector

Pure = Callable[[], AbstractContextManager[None]]
CORPUS = Path(__file__).parents[1] / "corpus"
MS = 1_000_000
HOUR_NS = 3_600_000_000_000
FEW = settings(max_examples=300, deadline=None)


# Few values of each, so that facts meet: in places, in ids, in time.
IDS = ["", "", "chatcmpl-12", *(f"resp_{number:012}" for number in range(12))]
SPANS = [f"s{number}" for number in range(8)]
SAID = st.sampled_from(["", "", "", "", "x", "y"])
COUNT = st.sampled_from([None, None, 0, 5, 6])


@st.composite
def facts(draw: st.DrawFn, scopes: tuple[str, ...] = ("a", "b"), traces: int = 3) -> Fact:
    """A fact that may have to do with others."""
    kind = draw(st.sampled_from(["llm", "llm", "llm", "embedding", "tool", "tool", "agent", "context"]))
    started_at_ns = 10**18 + draw(st.integers(0, 300)) * MS
    values: dict[str, Any] = {
        "trace_id": f"t{draw(st.integers(1, traces))}",
        "span_id": draw(st.sampled_from(SPANS)),
        "parent_span_id": draw(st.sampled_from(["", "", *SPANS])),
        "started_at_ns": started_at_ns,
        "ended_at_ns": started_at_ns + draw(st.integers(0, 200)) * MS,
        "scope": draw(st.sampled_from(scopes)),
        "kind": kind,
        "trust": draw(st.sampled_from([10, 50])),
        "status": draw(st.sampled_from(["ok", "ok", "error"])),
        **{name: draw(SAID) for name in ("task", "agent", "team", "user", "session")},
    }
    if kind in ("llm", "embedding", "agent"):
        values |= {"response_id": draw(st.sampled_from(IDS)), "request_model": draw(st.sampled_from(["gpt-4o", ""]))}
        values |= {name: draw(COUNT) for name in ("cache_read_tokens", "web_searches", "estimated_input_tokens")}
        values |= {"estimated_output_tokens": draw(COUNT), "usage_estimated": draw(st.booleans())}
    if kind != "agent" or draw(st.integers(0, 5)) == 0:
        values |= {"input_tokens": draw(COUNT), "output_tokens": draw(COUNT)}
    if kind == "tool":
        values |= {"tool_name": draw(SAID), "tool_call_id": draw(st.sampled_from(["", *SPANS]))}
    return Fact(**values)


def rows_of(found: dict[Any, LedgerRow]) -> dict[Any, Any]:
    """Rows with their copies in no order."""
    return {key: (row.call, row.version, frozenset(row.copies)) for key, row in found.items()}


@FEW
@given(st.one_of(st.lists(facts(), max_size=12), st.lists(facts(("a",), 12), max_size=20)))
def test_both_twins_fold_facts_into_the_same_rows(pure: Pure, some: list[Fact]) -> None:
    """Rows, versions, copies and what is taken out, of facts that are related in every way."""
    found = rows_of(fold(some))
    with pure():
        assert found == rows_of(fold(some))


def corpus_facts() -> list[Fact]:
    """All facts of the corpus."""
    collector = MemoryCollector()
    for path in sorted(CORPUS.glob("*/traces-*")):
        collector.send(*(received.body for received in read_requests(path)))
    return sorted(collector.ledger.facts)


def test_both_twins_fold_the_whole_corpus_into_the_same_rows(pure: Pure) -> None:
    """All emitters at once, and each trace by itself."""
    everything = corpus_facts()
    traces = {fact.trace_id for fact in everything}
    parts = [everything, *([fact for fact in everything if fact.trace_id == trace] for trace in traces)]
    found = [rows_of(fold(part)) for part in parts]
    assert len(found) > 50
    with pure():
        assert found == [rows_of(fold(part)) for part in parts]


PLACES = st.tuples(st.sampled_from(["t1", "t2"]), st.sampled_from(SPANS))
BATCHES = st.lists(
    st.tuples(st.lists(facts(), max_size=5), st.dictionaries(PLACES, st.sampled_from(["", *SPANS]), max_size=3)),
    min_size=1,
    max_size=5,
)


@FEW
@given(BATCHES, st.booleans())
def test_both_twins_settle_batch_after_batch_the_same(
    batches: list[tuple[list[Fact], dict[tuple[str, str], str]]], restarting: bool
) -> None:
    """What is written after each batch, plain spans above calls among them, is equal; so are before and after."""
    ledgers = MemoryLedger(), MemoryLedger()
    settlers = [Settler(ledger) for ledger in ledgers]
    for new, above in batches:
        plain = {
            place: lambda place=place, parent=parent: context(*place, parent, {"user.id": "u"}, Resource())
            for place, parent in above.items()
        }
        settlements = []
        for number, ledger in enumerate(ledgers):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(compiled, "PURE", bool(number))
                if restarting:
                    settlers[number] = Settler(ledger)
                settlement = settlers[number].settle(new, plain)
                ledger.write_rows(settlement.rows)
                ledger.write_facts(settlement.facts)
                settlements.append(
                    (
                        rows_of({row.key: row for row in settlement.rows}),
                        frozenset(settlement.facts),
                        rows_of(settlement.before),
                        rows_of(settlement.after),
                    )
                )
        assert settlements[0] == settlements[1]
        assert ledgers[0].rows.keys() == ledgers[1].rows.keys()


class EmptyStore:
    """A store without facts."""

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """Nothing."""
        return b""


@settings(max_examples=25, deadline=None)
@given(
    st.lists(facts(), max_size=8),
    st.lists(facts(), max_size=8),
    st.sampled_from([0, HOUR_NS, 24 * HOUR_NS]),
    st.booleans(),
)
def test_both_twins_have_seen_the_same(known: list[Fact], asked: list[Fact], longer_ns: int, turned: bool) -> None:
    """The same bits are set, and the same keys may be there."""
    known = [fact._replace(ended_at_ns=fact.ended_at_ns + longer_ns * (-1 if turned else 1)) for fact in known]
    match_keys = [match_key(fact) for fact in known]
    windows = [
        MatchWindow(match_key(fact), fact.started_at_ns, fact.ended_at_ns, fact.response_id == "")
        for fact in asked
        if fact.kind in ("llm", "embedding")
    ]
    answers = []
    for aside in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "PURE", aside)
            seen = SeenKeys(EmptyStore())  # type: ignore[arg-type]
            new = [seen.add(known, match_keys), seen.add(known, match_keys)]
            answers.append(
                (
                    new,
                    seen._words.tobytes(),
                    seen.traces([fact.trace_id for fact in asked]),
                    seen.responses([fact.response_id for fact in asked]),
                    seen.windows(windows),
                )
            )
    assert answers[0] == answers[1]


def test_rows_get_their_prices_in_their_order(pure: Pure) -> None:
    """A row without a call stays one."""
    (row,) = fold([Fact("t", "s", kind="tool")]).values()
    assert row.call
    rows = [row, LedgerRow((1, "b"), None, 4)]
    calls = [row.call._replace(price_status="priced"), None]
    found = with_calls(rows, calls)
    with pure():
        assert found == with_calls(rows, calls)
    assert [(type(row), row) for row in found] == [
        (LedgerRow, LedgerRow(row.key, call, row.version)) for row, call in zip(rows, calls, strict=True)
    ]
