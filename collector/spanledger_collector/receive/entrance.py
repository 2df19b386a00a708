"""What every entrance does with a parsed request, and how a failure is told to its sender."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.errors import PermanentError, RetryableError
from spanledger_collector.receive.errors import (
    QueueFullError,
    TooLargeError,
    UnsupportedMediaError,
    retry_after_s,
)
from spanledger_collector.receive.span_ids import split_invalid_spans
from spanledger_collector.receive.submit import Outcome, Received, Submit

_log = logging.getLogger(__name__)


async def accept(submit: Submit, received: Received) -> Outcome:
    """Reject the spans with invalid ids, submit the rest, and tell both outcomes in one.

    Raises:
        RetryableError, PermanentError: what ``submit`` raised.
    """
    rejected, reason = 0, ""
    if isinstance(received.body, ExportTraceServiceRequest):
        rejected, reason = split_invalid_spans(received.body)
    outcome = await submit.submit(received)
    message = "; ".join(text for text in (reason, outcome.message) if text)
    return Outcome(rejected + outcome.rejected, message)


@dataclass(slots=True, frozen=True)
class Refusal:
    """A failure in the terms of both protocols; ``code`` is a ``google.rpc.Code``."""

    http_status: int
    code: int
    reason: str
    retry_after_s: float | None = None

    def retry_info(self) -> error_details_pb2.RetryInfo:
        """How long to wait before the same is sent again."""
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round((self.retry_after_s or 0.0) * 1000))
        return info

    def status(self) -> status_pb2.Status:
        """The standard error message, with a ``RetryInfo`` detail where a retry makes sense."""
        status = status_pb2.Status(code=self.code, message=self.reason)
        if self.retry_after_s is not None:
            status.details.add().Pack(self.retry_info())
        return status


def refusal_of(error: Exception) -> Refusal:
    """How to tell the sender of ``error``: try again later, never again, or (429) slow down."""
    match error:
        case QueueFullError():
            return Refusal(429, code_pb2.RESOURCE_EXHAUSTED, str(error), retry_after_s(error))
        case RetryableError():
            return Refusal(503, code_pb2.UNAVAILABLE, str(error), retry_after_s(error))
        case TooLargeError():
            return Refusal(413, code_pb2.INVALID_ARGUMENT, str(error))
        case UnsupportedMediaError():
            return Refusal(415, code_pb2.INVALID_ARGUMENT, str(error))
        case PermanentError():
            return Refusal(400, code_pb2.INVALID_ARGUMENT, str(error))
    # The text of an unforeseen error may quote what the request held, so only its type and place are logged.
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("a request failed with %s at %s:%s", type(error).__name__, place.filename, place.lineno)
    return Refusal(500, code_pb2.INTERNAL, f"the collector failed with {type(error).__name__}; its log says where")
