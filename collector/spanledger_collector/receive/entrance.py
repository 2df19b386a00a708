"""What every entrance does with a parsed request, and how a failure is told to its sender."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from google.rpc import code_pb2, error_details_pb2, status_pb2

from spanledger_collector import metrics
from spanledger_collector.access import Access, ForbiddenError, Grant, UnauthenticatedError
from spanledger_collector.errors import PermanentError, RetryableError
from spanledger_collector.receive.errors import (
    QueueFullError,
    TooDeepError,
    TooLargeError,
    TooManyItemsError,
    UnsupportedMediaError,
    retry_after_s,
)
from spanledger_collector.receive.item_count import HARMLESS_BYTES, check_item_count
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import ALL_TAKEN, CleanSpans, ExportRequest, Outcome, Received, Signal, Submit

_log = logging.getLogger(__name__)


Parse = Callable[[Signal, bytes], ExportRequest]
Transport = Literal["grpc", "http"]
_BYTES_OF_A_LARGE_SPAN = 4096
_TRANSPORTS: tuple[Transport, ...] = get_args(Transport)


class _Metrics:
    """What is counted of one signal over one transport; looking a label up costs more than counting."""

    def __init__(self, signal: Signal, transport: Transport) -> None:
        fates = {fate: counter.labels(transport) for fate, counter in metrics.RECEIVED[signal].items()}
        self.accepted, self.refused, self.failed = fates["accepted"], fates["refused"], fates["failed"]
        self.ignored = fates.get("ignored", self.accepted)
        self.seconds = metrics.RECEIVE_SECONDS.labels(transport)


class Entrance:
    """What all transports share: who may send, what is done to a request before it is kept, and the counts."""

    def __init__(self, submit: Submit, access: Access | None = None, screen: Screen | None = None) -> None:
        """Without ``access`` everyone may send; without ``screen`` the default limits hold and nothing is redacted."""
        self._submit = submit
        self._access = access or Access()
        self._screen = screen or Screen()
        self._metrics = {
            (signal, transport): _Metrics(signal, transport) for signal in SIGNALS for transport in _TRANSPORTS
        }
        self._large = asyncio.Lock()

    def admit(self, authorization: str) -> Grant:
        """What the ``Authorization`` header grants; before the body is looked at.

        Raises:
            UnauthenticatedError, ForbiddenError: it does not let its sender send.
        """
        return self._access.grant(authorization, "send")

    async def take(
        self, signal: Signal, body: bytes, grant: Grant, transport: Transport, parse: Parse = parse_protobuf
    ) -> Outcome:
        """Read a request, screen it, and submit what is left of it; both outcomes are told in one.

        One in protobuf is parsed only where something may have to be done to it.

        Raises:
            BadInputError: it is none of this signal, or of more items than it can hold.
            RetryableError, PermanentError: what ``submit`` raised.
        """
        if parse is parse_protobuf:
            clean = self._screen.clean(signal, body, grant)
            # Of many spans the scan has seen that there is something in them.
            if clean is None or len(body) > _BYTES_OF_A_LARGE_SPAN * clean.spans:
                check_item_count(body)
            if clean is not None:
                return await self._accept(clean, grant, transport)
        if len(body) <= HARMLESS_BYTES:
            return await self._accept(Received(signal, parse(signal, body), len(body)), grant, transport)
        # As messages it may take fifty times as much until it is written: one after the other.
        async with self._large:
            return await self._accept(Received(signal, parse(signal, body), len(body)), grant, transport)

    async def _accept(self, received: Received | CleanSpans, grant: Grant, transport: Transport) -> Outcome:
        began_s = time.perf_counter()
        told = self._metrics[received.signal, transport]
        screened = ALL_TAKEN if isinstance(received, CleanSpans) else self._screen.apply(received, grant)
        items = received.items
        fate = told.failed
        try:
            outcome = await self._submit.submit(received)
            fate = told.accepted if outcome.kept else told.ignored
        except RetryableError:
            fate = told.refused
            raise
        finally:
            fate.inc(items)
            told.seconds.observe(time.perf_counter() - began_s)
        if screened is ALL_TAKEN:
            return outcome
        told.failed.inc(screened.rejected)
        message = "; ".join(text for text in (screened.message, outcome.message) if text)
        return Outcome(screened.rejected + outcome.rejected, message)


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
    """How to tell the sender of ``error``: try again later, never again, or (429) slow down; it is counted, too."""
    refusal = _refusal_of(error)
    metrics.FAILED_REQUESTS.labels(refusal.http_status).inc()
    match error:
        case TooLargeError():
            metrics.LIMITS_HIT.labels("request_bytes").inc()
        case TooManyItemsError():
            metrics.LIMITS_HIT.labels("item_count").inc()
        case TooDeepError():
            metrics.LIMITS_HIT.labels("nesting").inc()
    return refusal


def _refusal_of(error: Exception) -> Refusal:
    match error:
        case UnauthenticatedError():
            return Refusal(401, code_pb2.UNAUTHENTICATED, str(error))
        case ForbiddenError():
            return Refusal(403, code_pb2.PERMISSION_DENIED, str(error))
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
