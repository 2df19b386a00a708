"""Exactly once: whatever a store does at whichever write, the ledger is that of a run where nothing went wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.journal import Consumer, Entry, Journal
from spanledger_collector.model import Fact
from spanledger_collector.pipeline import Pipeline, leads_to_ledger
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.files import read_requests

from .conftest import request

CORPUS = Path(__file__).parents[1] / "corpus"
EMITTERS = ("genai_openai", "langgraph_openinference_both", "openai_agents_openinference", "genai_anthropic")


class FlakyLedger(MemoryLedger):
    """Fails before or after an operation now and then, so that nobody knows whether it was done."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.failures = 0

    def __getattribute__(self, name: str) -> Any:
        """Each operation of the seam, with its failures around it."""
        operation = super().__getattribute__(name)
        if not name.startswith(("write_", "facts_", "spans_")):
            return operation

        def unreliable(*arguments: Any) -> Any:
            self._fail_sometimes()
            answer = operation(*arguments)
            self._fail_sometimes()
            return list(answer) if answer is not None else None

        return unreliable

    def _fail_sometimes(self) -> None:
        if self._random.random() < 0.04:
            self.failures += 1
            raise StoreUnavailableError("the store did not answer")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The prices that ship."""
    return Catalogue.load()


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_fails_at_any_point_ends_with_the_ledger_of_a_clean_run(
    open_journal: Callable[..., Journal],
    consume: Callable[..., Consumer],
    catalogue: Catalogue,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests in random order, some twice, in small batches, over restarts: every call is there, once, as it was."""
    for pause in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(f"spanledger_collector.journal.consumer.{pause}", 0.001)
    requests = [r for name in EMITTERS for path in sorted((CORPUS / name).glob("*.bin")) for r in read_requests(path)]
    clean = MemoryLedger()
    Pipeline(clean, catalogue).process([r.body for r in requests])

    shuffled = random.Random(seed)
    sent = [*requests, *shuffled.choices(requests, k=len(requests) // 2)]
    shuffled.shuffle(sent)
    ledger = FlakyLedger(seed)
    journal = open_journal()
    for quarter in range(4):
        portion = sent[quarter::4]
        journal.append([request(r.body.SerializeToString(), r.spans) for r in portion])
        consumer = consume(journal, _through(Pipeline(ledger, catalogue)), spans=20)
        assert consumer.catch_up(60)
        consumer.stop(0)
    assert ledger.failures > 5
    assert ledger.calls() == clean.calls()
    # Spans are there before what they tell is, and may have been taken for its context.
    assert {fact for fact in ledger.facts if fact.kind != "context"} <= clean.facts <= ledger.facts
    assert ledger.spans.keys() == clean.spans.keys()


class FailsOnce(MemoryLedger):
    """Refuses the next facts after ``fail`` was set, once."""

    fail = False

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``MemoryLedger``."""
        if self.fail:
            self.fail = False
            raise StoreUnavailableError("the store did not answer")
        super().write_facts(facts)


def test_a_plain_span_that_was_waited_for_is_not_forgotten_by_a_failed_write(catalogue: Catalogue) -> None:
    """The link between a call and its task arrives last, the write fails, and the second try still makes the link."""
    ledger = FailsOnce()
    pipeline = Pipeline(ledger, catalogue)
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.usage.input_tokens": 5,
    }
    pipeline.process([_one_span(3, 2, call)])
    pipeline.process([_one_span(1, 0, {"spanledger.task": "T-1"})])
    assert [row.task for row in ledger.calls()] == [""]
    ledger.fail = True
    link = _one_span(2, 1, {"http.request.method": "POST"})
    with pytest.raises(StoreUnavailableError):
        pipeline.process([link])
    pipeline.process([link])
    assert [row.task for row in ledger.calls()] == ["T-1"]
    assert {fact.span_id[-1] for fact in ledger.facts} == {"1", "2", "3"}


def _one_span(span_id: int, parent_id: int, attributes: dict[str, str | int]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    span = scope.spans.add(
        trace_id=b"t" * 16,
        span_id=span_id.to_bytes(8, "big"),
        parent_span_id=parent_id.to_bytes(8, "big") if parent_id else b"",
        start_time_unix_nano=10**18 + span_id,
        end_time_unix_nano=10**18 + 10**9,
    )
    for key, value in attributes.items():
        known = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
        span.attributes.append(KeyValue(key=key, value=known))
    return request


def _through(pipeline: Pipeline) -> Callable[[Sequence[Entry]], object]:
    return lambda entries: pipeline.begin([body for e in entries if leads_to_ledger(body := e.request.parse())])
