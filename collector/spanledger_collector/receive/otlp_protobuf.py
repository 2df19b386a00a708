"""OTLP in protobuf, read strictly: protobuf parses much that was never meant as OTLP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.errors import TooDeepError
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.span_ids import has_valid_span
from spanledger_collector.receive.submit import ExportRequest, Signal


def parse_protobuf(signal: Signal, body: bytes) -> ExportRequest:
    """Parse an export request; an empty body is a valid empty request.

    Raises:
        BadInputError: the bytes are no protobuf, or hold nothing of this signal. A foreign message usually
            parses into unknown fields only, which would otherwise be success with nothing stored.
    """
    signal_type = SIGNALS[signal]
    request = signal_type.request()
    name = signal_type.request.DESCRIPTOR.name
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        if "MaxDepth" in str(error):
            raise TooDeepError(f"the {len(body)} bytes are a {name} nested deeper than 100 levels") from None
        raise BadInputError(
            f"the {len(body)} bytes are no {name}: protobuf that is broken or truncated, or text not in UTF-8"
        ) from None
    if body and not getattr(request, signal_type.resources):
        raise BadInputError(f"the {len(body)} bytes are no {name}: there is no {signal_type.resources} in them")
    return request


def recognise(body: bytes) -> tuple[Signal, ExportRequest] | None:
    """Which signal's request these bytes are, judged by what each must hold, as the wire does not say."""
    for signal, holds_it in _TELLTALES:
        try:
            request = parse_protobuf(signal, body)
        except BadInputError:
            continue
        if holds_it(request):
            return signal, request
    return None


def _has_log_record(request: Any) -> bool:
    return any(
        record.time_unix_nano or record.observed_time_unix_nano
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    )


def _has_data_point(request: Any) -> bool:
    return any(
        metric.name and metric.WhichOneof("data")
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
    )


_TELLTALES: tuple[tuple[Signal, Callable[[Any], bool]], ...] = (
    ("traces", has_valid_span),
    ("logs", _has_log_record),
    ("metrics", _has_data_point),
)
