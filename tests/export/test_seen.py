"""What was certainly not seen before: it spares questions and changes no answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.export import seen as seen_module
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.store import Result, Store, open_embedded
from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.files import read_requests

from .test_recent import EmptyStore

SECOND_NS = 10**9
START_NS = 1_795_000_000 * SECOND_NS
CALL = Fact(
    "t1", "s1", started_at_ns=START_NS, ended_at_ns=START_NS + 5 * SECOND_NS, kind="llm", response_id="resp_68f1c2",
    request_model="gpt-4.1", input_tokens=7,
)  # fmt: skip
LONG = CALL._replace(span_id="s2", input_tokens=8, ended_at_ns=START_NS + 7200 * SECOND_NS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh embedded store."""
    store = open_embedded(tmp_path / "store")
    migrate(store)
    yield store
    store.close()


@pytest.mark.parametrize("stored_before", [False, True])
def test_what_was_written_may_be_there_and_nothing_else(store: Store, stored_before: bool) -> None:
    """Keys of written facts are asked for, before and after a restart; others, in the same minutes too, are not."""
    seen = SeenKeys(store)
    ledger = Ledger(store, seen)
    ledger.expect([CALL, LONG], {})
    ledger.write_facts([CALL, LONG])
    if stored_before:
        seen = SeenKeys(store)
    assert seen.traces(["t1", "t2"]) == ["t1"]
    assert seen.responses(["resp_68f1c2", "r2"]) == ["resp_68f1c2"]
    key, long_key = match_key(CALL), match_key(LONG)
    here = MatchWindow(key, START_NS, START_NS + SECOND_NS, unidentified=False)
    just_after = here._replace(start_ns=CALL.ended_at_ns + 10**7, end_ns=CALL.ended_at_ns + SECOND_NS)
    next_day = here._replace(start_ns=START_NS + 86_400 * SECOND_NS, end_ns=START_NS + 86_401 * SECOND_NS)
    of_the_long_one = MatchWindow(long_key, START_NS + 3600 * SECOND_NS, START_NS + 3601 * SECOND_NS, False)
    whole_day = here._replace(start_ns=START_NS - 43_200 * SECOND_NS, end_ns=START_NS + 43_200 * SECOND_NS)
    unknown = here._replace(match_key=key + 1)
    of_no_id = here._replace(unidentified=True)
    asked = [here, just_after, next_day, of_the_long_one, whole_day, unknown, of_no_id]
    assert seen.windows(asked) == [here, just_after, of_the_long_one, whole_day]


@pytest.mark.parametrize("in_use", [True, False])
def test_few_keys_are_asked_for_in_vain(in_use: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many facts as the filter is made for, one key of a thousand that nothing has is taken for one that is."""
    monkeypatch.setattr(seen_module, "_FEWEST_WORDS_LOG2", 12)
    if not in_use:
        monkeypatch.setattr(seen_module, "twin", lambda name: None)
    seen = SeenKeys(EmptyStore())  # type: ignore[arg-type]
    stored = [f"{random.Random(n).getrandbits(128):032x}" for n in range(2_500)]
    calls = [Fact(trace_id, "s", response_id=f"resp_{trace_id}", kind="llm") for trace_id in stored]
    seen.add(calls, map(match_key, calls))
    others = [f"{random.Random(10**6 + n).getrandbits(128):032x}" for n in range(20_000)]
    assert seen.traces(stored) == stored
    assert len(seen.traces(others)) < len(others) / 500


def test_the_filter_grows_with_the_facts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with more facts than the smallest is made for gets a larger one, which knows them all."""
    monkeypatch.setattr(seen_module, "_FEWEST_WORDS_LOG2", 4)
    facts = [Fact(f"{n:032x}", "s", response_id=f"resp_{n:030x}") for n in range(1_000)]
    Ledger(store).write_facts(facts)
    seen = SeenKeys(store)
    assert len(seen._words) == 512
    assert seen.traces(fact.trace_id for fact in facts) == [fact.trace_id for fact in facts]
    assert len(seen.responses(f"resp_{n:030x}" for n in range(1_000, 2_000))) < 100


def test_the_ledger_is_the_same_with_fewer_questions(
    store: Store, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans of many emitters in random order, with a restart in between: equal rows, and most look-ups are spared."""
    requests = [
        received.body
        for folder in ("genai_openai", "langgraph_openinference_both", "traceloop", "vercel_ai_v6", "litellm_otel")
        for path in sorted((corpus / folder).glob("traces-*"))
        for received in read_requests(path)
    ]
    random.Random(5).shuffle(requests)
    ask = store.query
    questions = 0

    def counted(sql: str, parameters: dict[str, Any] | None = None) -> Result:
        nonlocal questions
        questions += " FROM facts WHERE " in sql
        return ask(sql, parameters)

    monkeypatch.setattr(store, "query", counted)
    found = []
    for spared in (False, True):
        for half in (requests[::2], requests[1::2]):
            pipeline = Pipeline(Ledger(store, SeenKeys(store) if spared else None), Catalogue.load())
            for request in half:
                pipeline.process([request])
        found.append((ask("SELECT * FROM calls FINAL ORDER BY call_id").rows, questions))
        questions = 0
        for table in ("calls", "facts", "otel_traces"):
            store.command(f"TRUNCATE TABLE {table}")
    (rows, all_asked), (same_rows, few_asked) = found
    assert len(rows) > 20
    assert rows == same_rows
    assert few_asked < all_asked / 2
