"""The order of the stages, from decoded requests to written rows. The only module that knows them all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeGuard

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import metrics
from spanledger_collector.decode import Batch, Decoder, PlainSpans, SpanPlace, TraceRequest
from spanledger_collector.merge import FactStore, LedgerRow, Settlement, Settler, with_calls
from spanledger_collector.model import Call, Fact, Span
from spanledger_collector.normalise import (
    context,
    fact_reader,
    facts_of_logs,
    name_tells,
    normalise,
    scope_tells,
    states_calls,
)
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced, priced_all

LedgerRequest = TraceRequest | ExportLogsServiceRequest

Settled = Callable[[Settlement, Collection[Fact], Callable[[Call], Call]], object]
"""Told of a batch before its facts are written: the settlement, what the batch stated, and what prices a call."""


def leads_to_ledger(request: object) -> TypeGuard[ExportTraceServiceRequest | ExportLogsServiceRequest]:
    """Whether a request is to be processed: all spans are, logs where a record states a call, metrics never."""
    if isinstance(request, ExportLogsServiceRequest):
        return states_calls(request)
    return isinstance(request, ExportTraceServiceRequest)


class LedgerStore(FactStore, Protocol):
    """What the pipeline writes to: ``export.ledger.Ledger``, and its in-memory twin ``export.memory.MemoryLedger``."""

    def write_spans(self, blocks: bytes) -> None:
        """Insert rows of ``otel_traces``, given in the Native format."""

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """Insert rows of ``calls``."""

    def write_facts(self, facts: Collection[Fact]) -> None:
        """Insert facts."""


@dataclass(slots=True, frozen=True)
class Processed:
    """How much a batch held, and how many ledger rows it made or changed."""

    spans: int
    rows: int


class Pipeline:
    """decode ▸ normalise ▸ merge ▸ price ▸ export, a batch of requests at a time. For one thread."""

    def __init__(self, ledger: LedgerStore, catalogue: Catalogue) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._pricing = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spans")
        self._decoder = Decoder(scope_tells, name_tells, fact_reader())
        self._settler: Settler | None = Settler(ledger)

    def use(self, catalogue: Catalogue) -> None:
        """Price by ``catalogue`` from now on; when it returns, no row is under way that was priced by the former."""
        with self._pricing:
            self._catalogue = catalogue

    def process(self, requests: Collection[LedgerRequest], settled: Settled | None = None) -> Processed:
        """Take requests through all stages; when it returns, the store has them. Doing it again changes nothing.

        ``settled`` is called once the rows are written and the facts are not: as long as it fails, or the process ends
        before it is done, the same requests lead to the same settlement.

        Raises:
            StoreUnavailableError: the store did not answer; the same requests may be given again.
            StoreError: the store refused a row.
        """
        try:
            return self._process(requests, self._settler or Settler(self._ledger), settled)
        except BaseException:
            # It noted as arrived what may not be stored; the next one is derived from what is.
            self._settler = None
            raise

    def _process(self, requests: Collection[LedgerRequest], settler: Settler, settled: Settled | None) -> Processed:
        self._settler = settler
        batch = self._decoder.decode(r for r in requests if not isinstance(r, ExportLogsServiceRequest))
        facts, plain = _sorted_out(batch)
        facts.extend(f for r in requests if isinstance(r, ExportLogsServiceRequest) for f in facts_of_logs(r))
        # The store takes the spans while the merge works; nothing follows from them before both are done.
        spans_written = self._writer.submit(self._ledger.write_spans, batch.block)
        try:
            settlement = settler.settle(facts, plain)
        finally:
            wait((spans_written,))
        spans_written.result()
        with self._pricing:
            calls = priced_all((row.call for row in settlement.rows), self._catalogue)
            rows = with_calls(settlement.rows, calls)
            # The facts last: should the process end before, the same facts are new once more and make the same rows.
            self._ledger.write_rows(rows)
            if settled:
                settled(settlement, facts, partial(priced, catalogue=self._catalogue))
            self._ledger.write_facts(settlement.facts)
        _count(batch.size, rows)
        return Processed(batch.size, len(rows))


def _count(spans: int, rows: list[LedgerRow]) -> None:
    calls = [row.call for row in rows if row.call]
    metrics.PROCESSED_SPANS.inc(spans)
    metrics.WRITTEN_CALLS.inc(len(calls))
    metrics.MERGED_DUPLICATES.inc(len(rows) - len(calls))
    for status, count in Counter(call.price_status for call in calls if call.cost_usd is None).items():
        metrics.UNPRICED_CALLS.labels(status).inc(count)


class _Contexts(Mapping[SpanPlace, Callable[[], Fact]]):
    """Makers of the context facts that plain spans would be; none is made before it is asked for."""

    def __init__(self, plain: PlainSpans, told: Mapping[SpanPlace, Span]) -> None:
        """``told`` are spans that were read and say nothing."""
        self._plain = plain
        self._told = told

    def __getitem__(self, place: SpanPlace) -> Callable[[], Fact]:
        told = self._told.get(place)
        return partial(_context, partial(_itself, told) if told is not None else self._plain[place])

    def __contains__(self, place: object) -> bool:
        return place in self._told or place in self._plain

    def __iter__(self) -> Iterator[SpanPlace]:
        return iter({*self._told, *self._plain})

    def __len__(self) -> int:
        return len({*self._told, *self._plain})

    def among(self, places: Collection[SpanPlace]) -> set[SpanPlace]:
        """Those of ``places`` (a set, or the keys of a dict) that are here, without going through all."""
        return {*self._plain.among(places), *(place for place in self._told if place in places)}


def _sorted_out(batch: Batch) -> tuple[list[Fact], _Contexts]:
    """The facts in ``batch``, and its plain spans as makers of the context fact they would be."""
    facts = batch.facts
    told: dict[SpanPlace, Span] = {}
    for span in batch.telling:
        fact = normalise(span)
        if fact is not None:
            facts.append(fact)
        else:
            told[span.trace_id, span.span_id] = span
    return facts, _Contexts(batch.plain, told)


def _itself(span: Span) -> Span:
    return span


def _context(make: Callable[[], Span]) -> Fact:
    span = make()
    return context(span.trace_id, span.span_id, span.parent_span_id, span.attributes, span.resource)
