"""What arrives late, and through plain spans, still reaches the calls it belongs to."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.testing import MemoryCollector

TRACE = bytes(range(16))


def request(span_id: int, parent: int, name: str, **attributes: Any) -> ExportTraceServiceRequest:
    """A request with one span; attribute names with `__` for the dot."""
    message = ExportTraceServiceRequest()
    span = (
        message.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=TRACE,
            span_id=span_id.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=name,
            start_time_unix_nano=10**18 + span_id,
            end_time_unix_nano=10**18 + 10**9 - span_id,
        )
    )
    for key, value in attributes.items():
        pair = span.attributes.add(key=key.replace("__", "."))
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value
    return message


CHAT = request(
    4,
    3,
    "chat",
    gen_ai__operation__name="chat",
    gen_ai__request__model="gpt-4o",
    gen_ai__usage__input_tokens=5,
)
HTTP_CLIENT = request(3, 2, "POST")
HTTP_SERVER = request(2, 1, "POST /work")
ROOT = request(1, 0, "job", spanledger__task="T-1", user__id="u-7", gen_ai__operation__name="invoke_agent")
ORDERS = [
    [CHAT, HTTP_CLIENT, HTTP_SERVER, ROOT],
    [ROOT, HTTP_SERVER, HTTP_CLIENT, CHAT],
    [HTTP_CLIENT, ROOT, CHAT, HTTP_SERVER],
    [HTTP_SERVER, CHAT, ROOT, HTTP_CLIENT],
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("restarting", [False, True])
def test_identity_reaches_a_call_through_plain_spans_in_any_order(
    order: list[ExportTraceServiceRequest], restarting: bool
) -> None:
    """A task named two plain HTTP spans above the call is the call's task, whichever span arrives last."""
    collector = MemoryCollector()
    for message in order:
        collector.send(message)
        if restarting:
            collector.restart()
    (call,) = collector.calls()
    assert (call.task, call.user) == ("T-1", "u-7")


def test_plain_spans_leave_no_facts_behind() -> None:
    """Of plain spans only those above a call are kept as evidence; a database span beside it is not."""
    collector = MemoryCollector()
    collector.send(CHAT, HTTP_CLIENT, request(9, 3, "SELECT"), request(10, 4, "POST"))
    assert {fact.span_id for fact in collector.ledger.facts} == {f"{4:016x}", f"{3:016x}"}
