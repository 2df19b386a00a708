"""What is done to a request before anything of it is kept: check, redact, cut, and book on the token's team."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import metrics
from spanledger_collector.access import EVERYONE, Grant
from spanledger_collector.compiled import twin
from spanledger_collector.config import Limits, Settings
from spanledger_collector.receive.limits import Enforcer, rejected, told
from spanledger_collector.receive.pin import pin
from spanledger_collector.receive.redact import Redaction, redaction_of
from spanledger_collector.receive.span_ids import split_invalid_spans
from spanledger_collector.receive.submit import CleanSpans, Outcome, Received, Signal

_scan = twin("receive.compiled_scan")
_UINT64_MAX = 2**64 - 1


class Screen:
    """Stands before ``Submit`` at every way in, the import of files included."""

    def __init__(
        self,
        limits: Limits | None = None,
        redaction: Redaction | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Without ``limits`` the default ones hold; without ``redaction`` nothing is redacted."""
        limits = limits or Limits()
        self._enforcer = Enforcer(limits)
        self._scanned_for = [
            min(limit, _UINT64_MAX)
            for limit in (limits.max_attributes, limits.max_attribute_bytes, limits.max_events, limits.max_links)
        ]
        self._redaction = redaction or Redaction()
        self._now_ns = now_ns

    @classmethod
    def of(cls, settings: Settings) -> Screen:
        """What the settings ask for."""
        return cls(settings.limits, redaction_of(settings))

    def clean(self, signal: Signal, body: bytes, grant: Grant = EVERYONE) -> CleanSpans | None:
        """A request in protobuf that ``apply`` would leave as it is, found without a parse; else ``None``, or unknown.

        The compiled scan answers for spans; of a request with rules of redaction, or of a token that pins a team or an
        environment, it cannot.
        """
        if _scan is None or signal != "traces" or not body or not self._redaction.is_empty:
            return None
        if grant.team or grant.environment:
            return None
        earliest_ns, latest_ns = self._enforcer.period_ns(self._now_ns())
        spans = _scan.clean_spans(body, *self._scanned_for, max(earliest_ns, 0), min(latest_ns, _UINT64_MAX))
        return CleanSpans(body, spans) if spans >= 0 else None

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
