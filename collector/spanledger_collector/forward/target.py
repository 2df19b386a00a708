"""Another back end: raw export requests to it, over OTLP/HTTP (protobuf) or OTLP/gRPC.

What may be sent again and what may not follows the OTLP specification, with one exception: a target that refuses the
sender (401, 403, a redirect) refuses nothing about the request, which therefore stays until the settings are mended.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time
from typing import Any, Protocol
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from spanledger_collector.forward.errors import (
    SignalNotTakenError,
    TargetNotNowError,
    TargetRefusedError,
    TargetTooSmallError,
)
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import Signal

LONGEST_ASKED_PAUSE_S = 300.0
"""A target that asks for more is asked again after this."""
_GZIP_LEVEL = 1
_LONGEST_RECONNECT_MS = 10_000
_AGAIN_HTTP = (408, 429, 502, 503, 504)
_SENDER_HTTP = (401, 403, 407)
_NO_ENTRANCE_HTTP = (404, 405)
_TOO_LARGE_HTTP = 413
_AGAIN_GRPC = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
_SENDER_GRPC = ("UNAUTHENTICATED", "PERMISSION_DENIED")


class Target(Protocol):
    """Takes export requests."""

    def send(self, signal: Signal, body: bytes) -> int:
        """Send a request in protobuf; returns how many of its spans or records were rejected for good.

        Raises:
            TargetNotNowError: the same may be sent again.
            TargetRefusedError: the same will be refused again; ``SignalNotTakenError`` where all of its signal will,
                ``TargetTooSmallError`` where parts of it may not.
        """
        ...


def target_of(url: str, headers: Mapping[str, str], *, timeout_s: float, ca_file: Path | None = None) -> Target:
    """The target at ``http[s]://host[:port][/base]`` or ``grpc[s]://host:port``; the ``s`` means TLS."""
    scheme = urlsplit(url).scheme
    make = GrpcTarget if scheme in ("grpc", "grpcs") else HttpTarget
    return make(url, headers, timeout_s=timeout_s, ca_file=ca_file)


class HttpTarget:
    """OTLP/HTTP with protobuf bodies, gzip; redirects are not followed."""

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float, ca_file: Path | None = None) -> None:
        import urllib3

        self._url = url.rstrip("/")
        self._headers = {**headers, "content-type": "application/x-protobuf", "content-encoding": "gzip"}
        self._pool = urllib3.PoolManager(
            maxsize=1, retries=False, timeout=timeout_s, ca_certs=str(ca_file) if ca_file else None
        )

    def send(self, signal: Signal, body: bytes) -> int:
        """See ``Target``."""
        import urllib3

        packed = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        try:
            answer = self._pool.request(
                "POST", self._url + SIGNALS[signal].path, body=packed, headers=self._headers, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise TargetNotNowError(f"the forward target did not answer ({type(error).__name__})") from None
        status = answer.status
        if 200 <= status < 300:
            return _rejected(signal, answer.data)
        if status in _AGAIN_HTTP:
            pause_s = _retry_after_s(answer.headers.get("retry-after", ""))
            raise TargetNotNowError(f"the forward target asks to send later (HTTP {status})", pause_s)
        if status in _SENDER_HTTP or 300 <= status < 400:
            raise TargetNotNowError(f"the forward target refuses the sender (HTTP {status}): see forward.headers, .url")
        if status in _NO_ENTRANCE_HTTP:
            raise SignalNotTakenError(f"the forward target has no entrance for {signal} (HTTP {status})")
        if status == _TOO_LARGE_HTTP:
            raise TargetTooSmallError(f"the forward target takes no request of this size (HTTP {status})")
        raise TargetRefusedError(f"the forward target refused the request (HTTP {status})")


class GrpcTarget:
    """OTLP/gRPC, gzip."""

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float, ca_file: Path | None = None) -> None:
        import grpc

        parts = urlsplit(url)
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._timeout_s = timeout_s
        options: dict[str, Any] = {
            "compression": grpc.Compression.Gzip,
            # Left alone, it would look only every two minutes whether a target that was away is back.
            "options": [("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS)],
        }
        if parts.scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials(ca_file.read_bytes() if ca_file else None)
            channel = grpc.secure_channel(parts.netloc, credentials, **options)
        else:
            channel = grpc.insecure_channel(parts.netloc, **options)
        self._exports: dict[str, Any] = {
            signal: channel.unary_unary(f"/{kind.service}/Export") for signal, kind in SIGNALS.items()
        }

    def send(self, signal: Signal, body: bytes) -> int:
        """See ``Target``."""
        import grpc

        try:
            answer: bytes = self._exports[signal](body, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _of_grpc(signal, error) from None
        return _rejected(signal, answer)


def _of_grpc(signal: Signal, error: Any) -> TargetNotNowError | TargetRefusedError:
    code = error.code().name
    pause_s = _retry_info_s(error)
    if code in _AGAIN_GRPC or (code == "RESOURCE_EXHAUSTED" and pause_s is not None):
        return TargetNotNowError(f"the forward target asks to send later, or is away ({code})", pause_s or 0.0)
    if code in _SENDER_GRPC:
        return TargetNotNowError(f"the forward target refuses the sender ({code}): see forward.headers")
    if code == "UNIMPLEMENTED":
        return SignalNotTakenError(f"the forward target has no entrance for {signal} ({code})")
    if code == "RESOURCE_EXHAUSTED":
        # Without a time to try again at, it is what servers say of a message over their limit.
        return TargetTooSmallError(f"the forward target takes no request of this size ({code})")
    return TargetRefusedError(f"the forward target refused the request ({code})")


def _rejected(signal: Signal, answer: bytes) -> int:
    """What ``partial_success`` rejected; an answer that is no OTLP says nothing."""
    kind = SIGNALS[signal]
    try:
        response = kind.response.FromString(answer)
    except DecodeError:
        return 0
    return int(getattr(response.partial_success, kind.rejected))


def _retry_after_s(text: str) -> float:
    """``Retry-After``: seconds, or a date."""
    try:
        seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time()
    except (TypeError, ValueError):
        return 0.0
    return _bounded(seconds)


def _retry_info_s(error: Any) -> float | None:
    """The delay of ``RetryInfo`` in the status details; ``None`` where there is none."""
    details = next((value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"), b"")
    info = error_details_pb2.RetryInfo()
    try:
        for detail in status_pb2.Status.FromString(details).details:
            if detail.Unpack(info):
                return _bounded(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    except DecodeError:
        pass
    return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_ASKED_PAUSE_S) if math.isfinite(seconds) else 0.0
