"""The order of the stages, from decoded requests to written rows. The only module that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeGuard

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.decode import decode
from spanledger_collector.merge import FactStore, LedgerRow, Settler
from spanledger_collector.merge.settle import SpanPlace
from spanledger_collector.model import Fact, Span
from spanledger_collector.normalise import context, facts_of_logs, normalise, states_calls
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced

LedgerRequest = ExportTraceServiceRequest | ExportLogsServiceRequest


def leads_to_ledger(request: object) -> TypeGuard[LedgerRequest]:
    """Whether a request is to be processed: all spans are, logs where a record states a call, metrics never."""
    if isinstance(request, ExportLogsServiceRequest):
        return states_calls(request)
    return isinstance(request, ExportTraceServiceRequest)


class LedgerStore(FactStore, Protocol):
    """What the pipeline writes to: ``export.ledger.Ledger``, and its in-memory twin ``export.memory.MemoryLedger``."""

    def write_spans(self, columns: Sequence[Sequence[Any]]) -> None:
        """Insert spans, given as the columns of ``decode.otel_traces.COLUMNS``."""

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
        self._settler = Settler(ledger)

    def process(self, requests: Collection[LedgerRequest]) -> Processed:
        """Take requests through all stages; when it returns, the store has them. Doing it again changes nothing.

        Raises:
            StoreUnavailableError: the store did not answer; the same requests may be given again.
            StoreError: the store refused a row.
        """
        batch = decode(r for r in requests if isinstance(r, ExportTraceServiceRequest))
        facts, plain = _sorted_out(batch.spans)
        facts.extend(f for r in requests if isinstance(r, ExportLogsServiceRequest) for f in facts_of_logs(r))
        self._ledger.write_spans(batch.columns)
        settlement = self._settler.settle(facts, plain)
        rows = [replace(row, call=priced(row.call, self._catalogue)) if row.call else row for row in settlement.rows]
        # The facts last: should the process end before, the same facts will be new once more and make the same rows.
        self._ledger.write_rows(rows)
        self._ledger.write_facts(settlement.facts)
        return Processed(len(batch.spans), len(rows))


def _sorted_out(spans: Iterable[Span]) -> tuple[list[Fact], dict[SpanPlace, Callable[[], Fact]]]:
    """The facts in ``spans``, and the plain ones as makers of the context fact they would be."""
    facts: list[Fact] = []
    plain: dict[SpanPlace, Callable[[], Fact]] = {}
    for span in spans:
        fact = normalise(span)
        if fact is not None:
            facts.append(fact)
        else:
            plain[span.trace_id, span.span_id] = partial(
                context, span.trace_id, span.span_id, span.parent_span_id, span.attributes, span.resource
            )
    return facts, plain
