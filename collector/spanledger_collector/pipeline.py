"""The order of the stages, from decoded requests to written rows. The only module that knows them all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeGuard

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import metrics
from spanledger_collector.decode import Batch, Decoder, PlainSpans, SpanPlace, TraceRequest
from spanledger_collector.errors import RetryableError
from spanledger_collector.merge import ContextMakers, FactStore, LedgerRow, Settlement, Settler, with_calls
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
"""Told of a batch before its facts are written: the settlement, what the batch stated, and what prices a call.

In another thread than the one that gave the requests."""


def leads_to_ledger(request: object) -> TypeGuard[ExportTraceServiceRequest | ExportLogsServiceRequest]:
    """Whether a request is to be processed: all spans are, logs where a record states a call, metrics never."""
    if isinstance(request, ExportLogsServiceRequest):
        return states_calls(request)
    return isinstance(request, ExportTraceServiceRequest)


class LedgerStore(FactStore, Protocol):
    """What the pipeline writes to: ``export.ledger.Ledger``, and its in-memory twin ``export.memory.MemoryLedger``.

    One thread asks and says what is to be expected; others write.
    """

    def write_spans(self, blocks: bytes) -> None:
        """Insert rows of ``otel_traces``, given in the Native format."""

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """Insert rows of ``calls``."""

    def write_facts(self, facts: Collection[Fact]) -> None:
        """Insert facts."""

    def expect(self, facts: Collection[Fact], contexts: ContextMakers) -> None:
        """Answer from now on as if these facts were stored, and the plain spans that ``contexts`` are made of.

        What was expected before has been written when a question comes.
        """

    def forget(self) -> None:
        """Answer from the store alone: something that was expected may not be written."""


@dataclass(slots=True, frozen=True)
class Processed:
    """How much a batch held, and how many ledger rows it made or changed."""

    spans: int
    rows: int


class FormerBatchError(RetryableError):
    """The batch before this one could not be written, and this one follows from it."""


class Pipeline:
    """decode ▸ normalise ▸ merge ▸ price ▸ export, a batch of requests at a time. For one thread.

    A batch is written while the next one is decoded and merged: that one sees it as if it were stored. It is written in
    its turn only when it is, so that at any moment the ledger holds what it would if all were done one by one. Only
    spans may be a batch ahead of it: should the former fail, it finds in them what it would find in them later.
    """

    def __init__(self, ledger: LedgerStore, catalogue: Catalogue) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._pricing = threading.Lock()
        self._spans_writer = ThreadPoolExecutor(1, thread_name_prefix="spans")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._former: Future[Processed] | None = None
        self._decoder = Decoder(scope_tells, name_tells, fact_reader())
        ledger.forget()
        self._settler: Settler | None = Settler(ledger)

    def use(self, catalogue: Catalogue) -> None:
        """Price by ``catalogue`` from now on; when it returns, no row is under way that was priced by the former."""
        with self._pricing:
            self._catalogue = catalogue
            if self._former is not None:
                wait((self._former,))

    def process(self, requests: Collection[LedgerRequest], settled: Settled | None = None) -> Processed:
        """Take requests through all stages; when it returns, the store has them. Doing it again changes nothing.

        ``settled`` is called once the rows are written and the facts are not: as long as it fails, or the process ends
        before it is done, the same requests lead to the same settlement.

        Raises:
            StoreUnavailableError: the store did not answer; the same requests may be given again.
            StoreError: the store refused a row.
        """
        return self.begin(requests, settled).result()

    def begin(self, requests: Collection[LedgerRequest], settled: Settled | None = None) -> Future[Processed]:
        """``process``, of which the last part goes on beside the caller: the store has the requests when it is done.

        What was begun before is written when it returns.

        Raises:
            FormerBatchError: what was begun before failed meanwhile; these requests may be given again.
            StoreUnavailableError, StoreError: as in ``process``, which its future raises, too.
        """
        if self._former is not None and self._former.done() and self._former.exception() is not None:
            self._start_over()
        try:
            return self._begin(requests, self._settler or Settler(self._ledger), settled)
        except BaseException:
            self._start_over()
            raise

    def _start_over(self) -> None:
        """Derive what comes next from what is stored: what was noted as arrived may not be."""
        if self._former is not None:
            wait((self._former,))
        self._former = self._settler = None
        self._ledger.forget()

    def _begin(
        self, requests: Collection[LedgerRequest], settler: Settler, settled: Settled | None
    ) -> Future[Processed]:
        self._settler = settler
        batch = self._decoder.decode(r for r in requests if not isinstance(r, ExportLogsServiceRequest))
        # Nothing follows from spans before the rows are written, too.
        spans_written = self._spans_writer.submit(self._ledger.write_spans, batch.block)
        try:
            facts, plain = _sorted_out(batch)
            facts.extend(f for r in requests if isinstance(r, ExportLogsServiceRequest) for f in facts_of_logs(r))
            settlement = settler.settle(facts, plain)
            self._ledger.expect(settlement.facts, plain)
            with self._pricing:
                rows = with_calls(settlement.rows, priced_all((row.call for row in settlement.rows), self._catalogue))
                self._await_former()
                told = (
                    partial(settled, settlement, facts, partial(priced, catalogue=self._catalogue)) if settled else None
                )
                self._former = self._writer.submit(self._write, spans_written, rows, told, settlement.facts, batch.size)
                return self._former
        except BaseException:
            # Who tries again must not meet what is still on its way.
            wait((spans_written,))
            raise

    def _await_former(self) -> None:
        if self._former is not None and self._former.exception() is not None:
            raise FormerBatchError("the batch before this one could not be written")

    def _write(
        self,
        spans_written: Future[None],
        rows: list[LedgerRow],
        told: Callable[[], object] | None,
        facts: Collection[Fact],
        spans: int,
    ) -> Processed:
        spans_written.result()
        self._ledger.write_rows(rows)
        if told:
            told()
        # The facts last: should the process end before, the same facts are new once more and make the same rows.
        self._ledger.write_facts(facts)
        _count(spans, rows)
        return Processed(spans, len(rows))


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
