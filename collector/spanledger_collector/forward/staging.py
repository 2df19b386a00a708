"""From a settled batch to the outbox: requests enriched, and what the bounds make us give up told."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import metrics
from spanledger_collector.forward.bearers import Price, shares
from spanledger_collector.forward.enrich import Enricher
from spanledger_collector.forward.quiet import Quiet
from spanledger_collector.journal import Entry, Journal
from spanledger_collector.merge import Settlement
from spanledger_collector.model import Fact
from spanledger_collector.normalise.logs import EVENTS
from spanledger_collector.receive.redact import Redaction
from spanledger_collector.receive.submit import ExportRequest

_log = logging.getLogger(__name__)


def goes_on(request: ExportRequest) -> bool:
    """Whether a request is forwarded: spans and logs are. Metrics are not, as no redaction is applied to them."""
    return not isinstance(request, ExportMetricsServiceRequest)


class Staging:
    """Puts batches into the outbox of ``journal``, and keeps that within its bounds."""

    def __init__(self, journal: Journal, redaction: Redaction) -> None:
        self._journal = journal
        self._outbox = journal.outbox
        self._enricher = Enricher(redaction)
        self._quiet = Quiet()

    def stage(
        self,
        entries: Sequence[Entry],
        requests: Sequence[ExportRequest],
        settlement: Settlement,
        facts: Collection[Fact],
        price: Price,
    ) -> None:
        """Stage ``entries``, whose ``requests`` were settled together; the requests are changed.

        Raises:
            RetryableError: the journal's file cannot be written now. Nothing was staged.
        """
        if all(entry.sequence in self._outbox.staged for entry in entries):
            return
        traces = {
            entry.sequence: request
            for entry, request in zip(entries, requests, strict=True)
            if isinstance(request, ExportTraceServiceRequest)
        }
        telling = {(fact.trace_id, fact.span_id): fact for fact in facts if _is_span(fact)}
        found = shares(telling.values(), settlement, price, _is_span)
        changed = self._enricher.enrich(traces, telling, found)
        bodies = {sequence: traces[sequence].SerializeToString() for sequence in changed}
        if self._journal.is_disk_short:
            # Room that is in the file already: else what waits for the target would take the ledger's.
            self.give_up(sum(len(bodies.get(entry.sequence, entry.request.body)) for entry in entries))
        self._outbox.stage(entries, bodies)
        self.give_up()

    def give_up(self, more_bytes: int = 0) -> None:
        """Give up the oldest where a bound is exceeded, or to make room for ``more_bytes``; loudly.

        Raises:
            RetryableError: the journal's file cannot be written now.
        """
        given_up = self._outbox.give_up(more_bytes)
        if not given_up.requests:
            return
        metrics.FORWARD_GIVEN_UP_REQUESTS.inc(given_up.requests)
        metrics.FORWARD_GIVEN_UP_SPANS.inc(given_up.spans)
        self._quiet.say(
            given_up.requests,
            lambda total: _log.error(
                "the forward target has not taken %d requests for too long, or too many wait for it "
                "(forward.max_age_s, forward.max_bytes, min_free_bytes): they are given up, and are in the ledger only",
                total,
            ),
        )


def _is_span(fact: Fact) -> bool:
    """Whether it is a span that stated this, no log record: the scope of those is the event."""
    return fact.kind != "context" and fact.scope not in EVENTS
