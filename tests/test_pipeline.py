"""A batch is written while the next one is decoded and merged, and the ledger is what it would be otherwise."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.store import open_embedded
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.settle import ContextMakers
from spanledger_collector.model import Call, Fact
from spanledger_collector.pipeline import FormerBatchError, LedgerRequest, Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.otlp_protobuf import parse_protobuf

CORPUS = Path(__file__).parent / "corpus"
EMITTERS = ("genai_openai", "langgraph_openinference_both", "openai_agents_openinference", "vercel_ai_v6", "traceloop")
WAIT_S = 20


class SlowLedger(MemoryLedger):
    """Writes rows only when it may, or refuses facts; ``order`` is what was done."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.expected = threading.Semaphore(0)
        self.may_write = threading.Event()
        self.refuses_facts = False

    def expect(self, facts: Collection[Fact], contexts: ContextMakers) -> None:
        """See ``MemoryLedger``."""
        super().expect(facts, contexts)
        self.order.append("settled")
        self.expected.release()

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """See ``MemoryLedger``."""
        assert self.may_write.wait(WAIT_S)
        super().write_rows(rows)

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``MemoryLedger``."""
        if self.refuses_facts:
            raise StoreUnavailableError("the store did not answer")
        super().write_facts(facts)
        self.order.append("written")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The prices that ship."""
    return Catalogue.load()


def single_spans() -> list[LedgerRequest]:
    """The spans of some emitters, each in a request of its own, in random order: traces go on from batch to batch."""
    spans = []
    for emitter in EMITTERS:
        for path in sorted((CORPUS / emitter).glob("traces-*")):
            for received in read_requests(path):
                for resource in received.body.resource_spans:
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            one = parse_protobuf("traces", b"")
                            there = one.resource_spans.add(resource=resource.resource).scope_spans.add(
                                scope=scope.scope
                            )
                            there.spans.append(span)
                            spans.append(one)
    random.Random(3).shuffle(spans)
    return spans


def clean_run(requests: Collection[LedgerRequest], catalogue: Catalogue) -> MemoryLedger:
    """The ledger of all requests as one batch."""
    ledger = MemoryLedger()
    Pipeline(ledger, catalogue).process(requests)
    return ledger


def by_id(calls: Collection[Call]) -> list[Call]:
    """Calls in an order that all ledgers share."""
    return sorted(calls, key=lambda call: call.call_id)


def test_the_next_batch_is_settled_while_one_is_written(catalogue: Catalogue) -> None:
    """It sees the former as if it were stored, and is written after it: the same ledger as of a clean run."""
    spans = single_spans()
    halves = spans[::2], spans[1::2]
    ledger = SlowLedger()
    pipeline = Pipeline(ledger, catalogue)
    first = pipeline.begin(halves[0])
    assert ledger.expected.acquire(timeout=WAIT_S)
    begun: list[object] = []
    following = threading.Thread(target=lambda: begun.append(pipeline.begin(halves[1]).result(WAIT_S)))
    following.start()
    assert ledger.expected.acquire(timeout=WAIT_S)
    assert not first.done()
    ledger.may_write.set()
    following.join(WAIT_S)
    assert ledger.order == ["settled", "settled", "written", "written"]
    clean = clean_run(spans, catalogue)
    assert begun
    assert (ledger.calls(), ledger.facts) == (clean.calls(), clean.facts)


def test_what_follows_a_batch_that_fails_is_not_written(catalogue: Catalogue) -> None:
    """It was settled with what is not stored: it is refused, too, and both given again end as in a clean run."""
    spans = single_spans()
    halves = spans[::2], spans[1::2]
    ledger = SlowLedger()
    ledger.refuses_facts = True
    pipeline = Pipeline(ledger, catalogue)
    first = pipeline.begin(halves[0])
    threading.Timer(0.2, ledger.may_write.set).start()
    with pytest.raises(FormerBatchError):
        pipeline.begin(halves[1])
    assert isinstance(first.exception(), StoreUnavailableError)
    assert ledger.facts == set()
    ledger.refuses_facts = False
    for half in reversed(halves):
        pipeline.process(half)
    clean = clean_run(spans, catalogue)
    assert ledger.calls() == clean.calls()
    # Spans are there before what they tell is, and may have been taken for its context.
    assert {fact for fact in ledger.facts if fact.kind != "context"} <= clean.facts <= ledger.facts


@pytest.mark.parametrize("alone", [True, False])
def test_batches_that_are_not_waited_for_end_in_the_same_ledger(
    catalogue: Catalogue, tmp_path: Path, alone: bool
) -> None:
    """With a real store, of ours alone or written to by others, too: nothing between two batches is missed."""
    spans = single_spans()
    store = open_embedded(tmp_path / "store")
    migrate(store)
    ledger = Ledger(store, SeenKeys(store) if alone else None)
    pipeline = Pipeline(ledger, catalogue)
    written = [pipeline.begin(spans[at : at + 12]) for at in range(0, len(spans), 12)]
    assert written[-1].result(WAIT_S)
    clean = clean_run(spans, catalogue)
    columns = "call_id, task, agent, user, toInt64(input_tokens), cost_usd, response_model"
    found = store.query(f"SELECT {columns} FROM calls FINAL ORDER BY call_id").rows
    assert found == [
        (call.call_id, call.task, call.agent, call.user, call.input_tokens, call.cost_usd, call.response_model)
        for call in by_id(clean.calls())
    ]
    assert store.query("SELECT uniqExact(trace_id, span_id) FROM facts").rows[0][0] == len(
        {(fact.trace_id, fact.span_id) for fact in clean.facts}
    )
    store.close()
