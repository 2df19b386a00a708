"""The ledger is a function of the set of spans: how they arrive cannot change it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.model import Call
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector

CORPUS = Path(__file__).parents[1] / "corpus"
EMITTERS = sorted(path.parent.name for path in CORPUS.glob("*/expected.json"))


@cache
def single_spans(emitter: str) -> tuple[ExportTraceServiceRequest, ...]:
    """Every span of the emitter in a request of its own."""
    singles = []
    for path in sorted((CORPUS / emitter).glob("traces-*")):
        for received in read_requests(path):
            for resource_spans in received.body.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        single = ExportTraceServiceRequest()
                        resource = single.resource_spans.add(resource=resource_spans.resource)
                        resource.scope_spans.add(scope=scope_spans.scope).spans.append(span)
                        singles.append(single)
    return tuple(singles)


@cache
def settled(emitter: str) -> list[Call]:
    """The ledger when everything arrives at once."""
    collector = MemoryCollector()
    collector.send(*single_spans(emitter))
    return collector.calls()


@pytest.mark.parametrize("emitter", EMITTERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_order_grouping_repetition_and_restarts_change_nothing(emitter: str, data: st.DataObject) -> None:
    """Spans in any order, cut into any requests, some sent twice, the collector restarted in between: one ledger."""
    spans = single_spans(emitter)
    order = data.draw(st.permutations(range(len(spans))), label="order")
    again = data.draw(st.lists(st.sampled_from(order), max_size=10), label="sent again")
    arrivals = [*order, *again]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(arrivals) - 1), max_size=12), label="cuts"))
    restarts = data.draw(st.sets(st.integers(0, len(cuts)), max_size=3), label="restarts")
    collector = MemoryCollector()
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(arrivals)], strict=True)):
        if number in restarts:
            collector.restart()
        collector.send(*(spans[i] for i in arrivals[start:end]))
    assert collector.calls() == settled(emitter)


@pytest.mark.parametrize("emitter", EMITTERS)
def test_one_span_at_a_time_children_first_or_last(emitter: str) -> None:
    """The slowest trickle, forwards and backwards, ends in the same ledger as one batch."""
    for order in (single_spans(emitter), single_spans(emitter)[::-1]):
        collector = MemoryCollector()
        for request in order:
            collector.send(request)
        assert collector.calls() == settled(emitter)


@pytest.mark.parametrize("crash_at", ["before rows", "between rows and facts"])
def test_a_crash_inside_a_batch_loses_and_doubles_nothing(crash_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends half-way through a batch, whose clients then send it again in parts: the same ledger."""
    emitter = "langgraph_openinference_both"
    spans = single_spans(emitter)
    collector = MemoryCollector()

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    for start in range(0, len(spans), 9):
        with monkeypatch.context() as patch:
            patch.setattr(collector.ledger, "write_rows" if crash_at == "before rows" else "write_facts", crash)
            with pytest.raises(KeyboardInterrupt):
                collector.send(*spans[start : start + 9])
        collector.restart()
        # The clients' retries come in other groups, the last part first.
        for retried in reversed(spans[start : start + 9]):
            collector.send(retried)
    assert collector.calls() == settled(emitter)
