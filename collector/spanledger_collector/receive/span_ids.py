"""Spans without valid ids: no trace can hold them, so they are rejected one by one, as OTLP recommends."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8


def split_invalid_spans(request: ExportTraceServiceRequest) -> tuple[int, str]:
    """Remove in place the spans with invalid ids; return how many, and the reason and place of the first.

    Invalid is an id of the wrong length or of zeroes only (W3C Trace Context); a parent id may be absent.
    """
    rejected, reason = 0, ""
    for r, resource_spans in enumerate(request.resource_spans):
        for s, scope_spans in enumerate(resource_spans.scope_spans):
            valid = []
            for index, span in enumerate(scope_spans.spans):
                fault = _fault(span)
                if not fault:
                    valid.append(span)
                else:
                    reason = reason or f"{fault} in resourceSpans[{r}].scopeSpans[{s}].spans[{index}]"
            if len(valid) == len(scope_spans.spans):
                continue
            rejected += len(scope_spans.spans) - len(valid)
            del scope_spans.spans[:]
            scope_spans.spans.extend(valid)
    return rejected, f"spans with invalid ids: {reason}" if rejected else ""


def has_valid_span(request: ExportTraceServiceRequest) -> bool:
    """Whether a ledger could hold any span of the request."""
    return any(
        not _fault(span)
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    )


def _fault(span: Span) -> str:
    return (
        _id_fault("trace_id", span.trace_id, TRACE_ID_BYTES)
        or _id_fault("span_id", span.span_id, SPAN_ID_BYTES)
        or (_length_fault("parent_span_id", span.parent_span_id, SPAN_ID_BYTES) if span.parent_span_id else "")
    )


def _id_fault(name: str, value: bytes, length: int) -> str:
    return _length_fault(name, value, length) or ("" if any(value) else f"{name} of zeroes only")


def _length_fault(name: str, value: bytes, length: int) -> str:
    return "" if len(value) == length else f"{name} of {len(value)} bytes instead of {length}"
