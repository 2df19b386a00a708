"""Spans that no trace can hold."""

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.receive.span_ids import split_invalid_spans

TRACE_ID, SPAN_ID = b"\x01" * 16, b"\x02" * 8
MakeRequest = Callable[..., ExportTraceServiceRequest]


def test_valid_spans_are_left_alone(make_request: MakeRequest) -> None:
    """Nothing is rejected where every id is valid, roots and children alike."""
    request = make_request((TRACE_ID, SPAN_ID), (TRACE_ID, b"\x03" * 8))
    request.resource_spans[0].scope_spans[0].spans[1].parent_span_id = SPAN_ID
    before = request.SerializeToString(deterministic=True)
    assert split_invalid_spans(request) == (0, "")
    assert request.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("trace_id", "span_id", "reason"),
    [
        (b"", SPAN_ID, "trace_id of 0 bytes instead of 16"),
        (b"\x01" * 8, SPAN_ID, "trace_id of 8 bytes instead of 16"),
        (bytes(16), SPAN_ID, "trace_id of zeroes only"),
        (TRACE_ID, b"\x02" * 16, "span_id of 16 bytes instead of 8"),
        (TRACE_ID, bytes(8), "span_id of zeroes only"),
    ],
)
def test_an_invalid_span_is_removed_and_its_neighbours_stay(
    trace_id: bytes, span_id: bytes, reason: str, make_request: MakeRequest
) -> None:
    """Only the spans with invalid ids go; the reason tells the first of them and its place."""
    request = make_request((TRACE_ID, SPAN_ID), (trace_id, span_id), (TRACE_ID, b"\x03" * 8), (b"", b""))
    rejected, message = split_invalid_spans(request)
    assert rejected == 2
    assert message == f"spans with invalid ids: {reason} in resourceSpans[0].scopeSpans[0].spans[1]"
    assert request == make_request((TRACE_ID, SPAN_ID), (TRACE_ID, b"\x03" * 8))


def test_a_parent_id_of_the_wrong_length_is_invalid(make_request: MakeRequest) -> None:
    """A parent that no span can have would tear the trace apart."""
    request = make_request((TRACE_ID, SPAN_ID))
    request.resource_spans[0].scope_spans[0].spans[0].parent_span_id = b"\x01" * 7
    rejected, message = split_invalid_spans(request)
    assert rejected == 1
    assert "parent_span_id of 7 bytes instead of 8" in message
