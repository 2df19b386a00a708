"""What is done to a request before anything of it is kept: check, redact, cut, and book on the token's team."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import metrics
from spanledger_collector.access import EVERYONE, Grant
from spanledger_collector.config import Limits, Settings
from spanledger_collector.receive.limits import Enforcer, rejected, told
from spanledger_collector.receive.pin import pin
from spanledger_collector.receive.redact import Redaction, redaction_of
from spanledger_collector.receive.span_ids import split_invalid_spans
from spanledger_collector.receive.submit import Outcome, Received


class Screen:
    """Stands before ``Submit`` at every way in, the import of files included."""

    def __init__(
        self,
        limits: Limits | None = None,
        redaction: Redaction | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Without ``limits`` the default ones hold; without ``redaction`` nothing is redacted."""
        self._enforcer = Enforcer(limits or Limits())
        self._redaction = redaction or Redaction()
        self._now_ns = now_ns

    @classmethod
    def of(cls, settings: Settings) -> Screen:
        """What the settings ask for."""
        return cls(settings.limits, redaction_of(settings))

    def apply(self, received: Received, grant: Grant = EVERYONE) -> Outcome:
        """Change the request in place, and tell what was rejected or cut.

        Redaction sees texts whole, before they are cut; what the token pins comes last and stands.
        """
        signal, request = received.signal, received.body
        invalid, reason = 0, ""
        if isinstance(request, ExportTraceServiceRequest):
            invalid, reason = split_invalid_spans(request)
            metrics.LIMITS_HIT.labels("invalid_id").inc(invalid)
        metrics.REDACTED_VALUES.inc(self._redaction.apply(signal, request))
        hits = self._enforcer.enforce(signal, request, received.size_bytes, self._now_ns())
        for limit, count in hits.items():
            metrics.LIMITS_HIT.labels(limit).inc(count)
        pin(signal, request, grant)
        return Outcome(invalid + rejected(hits), "; ".join(text for text in (reason, told(hits)) if text))
