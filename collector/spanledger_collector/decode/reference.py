"""The straightforward decoder: what the fast one must agree with, span for span and row for row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.decode.otel_traces import rows
from spanledger_collector.decode.spans import spans_of
from spanledger_collector.model import Span


def decode(requests: Iterable[ExportTraceServiceRequest]) -> tuple[list[Span], list[dict[str, Any]]]:
    """All spans of the requests in their order, and the rows of ``otel_traces`` with column names as keys."""
    spans = [span for request in requests for span in spans_of(request)]
    return spans, rows(spans)
