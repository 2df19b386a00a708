"""What is kept of recent traces is all that the store has of them, whatever was written, asked and let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_collector import compiled
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.recent import RecentFacts
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.store import Result, Store
from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact

MS = 1_000_000
SLICE_NS = 2**36


class EmptyStore:
    """A store that begins without facts."""

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """Nothing."""
        return b""


def call(trace: int, span: int, response: int, start: int) -> Fact:
    """A call with or without a response id, that may touch two slices of time."""
    started_at_ns = 10**18 + start * SLICE_NS // 3
    return Fact(
        f"t{trace}",
        f"s{span}",
        kind="llm",
        response_id=f"resp_{response:012}" if response else "",
        started_at_ns=started_at_ns,
        ended_at_ns=started_at_ns + SLICE_NS // 2,
        service="x" * 400 * (span % 3),
    )


CALLS = st.builds(call, st.integers(0, 4), st.integers(0, 99), st.integers(0, 4), st.integers(0, 5))
STEPS = st.lists(
    st.one_of(st.tuples(st.just("write"), st.lists(CALLS, max_size=9)), st.tuples(st.just("ask"), st.lists(CALLS))),
    max_size=20,
)


@pytest.fixture(scope="module", params=["compiled", "pure"])
def in_use(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which of the twins is to do the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "PURE", request.param == "pure")
        yield request.param


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([0, 6_000, 15_000, 40_000, 10**9]))
def test_what_is_kept_and_what_is_asked_are_together_what_is_stored(
    in_use: str, steps: list[tuple[str, list[Fact]]], kept_bytes: int
) -> None:
    """By trace, response id and window, with room for none, few or all of the facts."""
    seen = SeenKeys(EmptyStore())  # type: ignore[arg-type]
    recent = RecentFacts(seen, kept_bytes)
    stored: set[Fact] = set()
    for step, facts in steps:
        if step == "write":
            keys = [match_key(fact) for fact in facts]
            new = seen.add(facts, keys)
            stored.update(facts)
            recent.expect(facts, keys, new)
            continue
        traces, responses = {fact.trace_id for fact in facts}, {fact.response_id for fact in facts} - {""}
        windows = [MatchWindow(match_key(f), f.started_at_ns, f.ended_at_ns, f.response_id != "") for f in facts]
        kept, asked = recent.of_traces(traces)
        answered = [fact for fact in stored if fact.trace_id in asked]
        recent.answered_traces(asked, answered)
        assert {*kept, *answered} == {fact for fact in stored if fact.trace_id in traces}
        kept, asked = recent.of_responses(responses)
        answered = [fact for fact in stored if fact.response_id in asked]
        recent.answered_responses(asked, answered)
        assert {*kept, *answered} == {fact for fact in stored if fact.response_id in responses}
        kept, asked_windows = recent.matching(windows)
        assert {*kept, *matching(asked_windows, stored)} == matching(windows, stored)


def matching(windows: Iterable[MatchWindow], stored: set[Fact]) -> set[Fact]:
    """What the windows hold."""
    return {f for f in stored if any(window.match_key == match_key(f) and window.holds(f) for window in windows)}


def test_traces_that_go_on_are_not_read_from_the_store(embedded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch after batch of the same traces: no question; after a restart one, and then none again."""
    questions = counted(embedded, monkeypatch)
    ledger = Ledger(embedded, SeenKeys(embedded))
    for span in range(3):
        write(ledger, *(call(trace, span, 0, 0) for trace in range(3)))
        assert len(ledger.facts_of_traces(["t0", "t1", "t2"])) == 3 * (span + 1)
    assert questions == []
    ledger = Ledger(embedded, SeenKeys(embedded))
    for _ in range(2):
        assert len(ledger.facts_of_traces(["t0", "t1", "t2"])) == 9
    assert len(questions) == 1


def test_after_an_insert_that_may_have_failed_the_store_is_asked(
    embedded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the facts are stored is not known then: of their traces nothing is kept."""
    ledger = Ledger(embedded, SeenKeys(embedded))
    write(ledger, call(7, 1, 0, 0))
    insert = embedded.insert_native

    def broken(*arguments: Any) -> None:
        insert(*arguments)
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "insert_native", broken)
        with pytest.raises(ConnectionError):
            write(ledger, call(7, 2, 0, 0), call(8, 1, 0, 0))
    ledger.forget()
    questions = counted(embedded, monkeypatch)
    assert {fact.span_id for fact in ledger.facts_of_traces(["t7", "t8"])} == {"s1", "s2"}
    assert len(ledger.facts_of_traces(["t8"])) == 1
    assert len(questions) == 1


def write(ledger: Ledger, *facts: Fact) -> None:
    """As the pipeline does it."""
    ledger.expect(facts, {})
    ledger.write_facts(facts)


def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions for facts that are asked from now on."""
    ask = store.query
    questions: list[str] = []

    def asked(sql: str, parameters: dict[str, Any] | None = None) -> Result:
        if " FROM facts WHERE " in sql:
            questions.append(sql)
        return ask(sql, parameters)

    monkeypatch.setattr(store, "query", asked)
    return questions
