"""Limits: what is over one is cut or rejected, counted, and told to the sender."""

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from spanledger_collector.config import Limits
from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.submit import ExportRequest, Outcome, Received, Signal

NOW_NS = 1_767_225_600_000_000_000
DAY_NS = 86_400_000_000_000
LIMITS = Limits(max_attributes=3, max_attribute_bytes=64, max_events=2, max_links=1, max_future_s=3600, max_age_days=30)
MakeRequest = Callable[..., ExportTraceServiceRequest]


def hits(limit: str) -> float:
    """How often a limit was hit since this process began."""
    return REGISTRY.get_sample_value("spanledger_receiver_limits_hit_total", {"limit": limit}) or 0.0


def screened(request: ExportRequest, signal: Signal = "traces") -> Outcome:
    """What the screen makes of a request, in place."""
    received = Received(signal, request, request.ByteSize())
    return Screen(LIMITS, now_ns=lambda: NOW_NS).apply(received)


def test_what_is_within_the_limits_is_left_as_it_is(make_request: MakeRequest) -> None:
    """A request at every limit passes unchanged and unmentioned."""
    request = make_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for name in "abc":
        span.attributes.add(key=name).value.string_value = "ü" * 30
    span.events.add(name="one")
    span.events.add(name="two")
    span.links.add()
    before = request.SerializeToString()
    assert screened(request) == Outcome()
    assert request.SerializeToString() == before


def test_too_many_are_dropped_from_the_end_and_counted_in_otlps_own_fields(make_request: MakeRequest) -> None:
    """The first attributes, events and links stay; the span says how many are missing, and so does the answer."""
    request = make_request()
    resource_spans = request.resource_spans[0]
    span = resource_spans.scope_spans[0].spans[0]
    span.dropped_attributes_count = 2**32 - 2
    for holder in (span, resource_spans.resource):
        for index in range(5):
            holder.attributes.add(key=f"key {index}")
    for index in range(4):
        span.events.add(name=f"event {index}")
        span.links.add()
    counted = hits("attribute_count")
    outcome = screened(request)
    assert [pair.key for pair in span.attributes] == ["key 0", "key 1", "key 2"]
    assert (span.dropped_attributes_count, resource_spans.resource.dropped_attributes_count) == (2**32 - 1, 2)
    assert ([event.name for event in span.events], span.dropped_events_count) == (["event 0", "event 1"], 2)
    assert (len(span.links), span.dropped_links_count) == (1, 3)
    assert outcome.rejected == 0
    for said in ("4 attributes over max_attributes", "2 events over max_events", "3 links over max_links"):
        assert said in outcome.message
    assert hits("attribute_count") == counted + 4


def test_long_texts_are_cut_at_a_character_and_long_structures_are_dropped(make_request: MakeRequest) -> None:
    """A text keeps what fits, never half a character; half a map or half of bytes means something else."""
    request = make_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="text").value.string_value = "a" + "ü" * 50
    span.attributes.add(key="bytes").value.bytes_value = b"x" * 65
    map_value = span.attributes.add(key="map").value.kvlist_value
    for name in "abc":
        map_value.values.add(key=name).value.string_value = "x" * 30
    span.events.add(name="e").attributes.add(key="text").value.string_value = "y" * 100
    outcome = screened(request)
    assert [(pair.key, pair.value.string_value) for pair in span.attributes] == [("text", "a" + "ü" * 31)]
    assert span.dropped_attributes_count == 2
    assert span.events[0].attributes[0].value.string_value == "y" * 64
    assert "4 attributes, names or bodies over max_attribute_bytes were cut" in outcome.message


def test_names_are_held_to_the_limit_of_texts(make_request: MakeRequest) -> None:
    """Whatever a span says is bounded; an attribute with a longer name is dropped, as half a name is another one."""
    request = make_request(name="n" * 65)
    (scope_spans,) = request.resource_spans[0].scope_spans
    scope_spans.scope.name = "s" * 65
    (span,) = scope_spans.spans
    span.trace_state = "t" * 65
    span.status.message = "m" * 65
    span.attributes.add(key="k" * 65).value.bool_value = True
    span.attributes.add(key="k" * 64).value.bool_value = True
    span.events.add(name="e" * 65)
    span.links.add(trace_state="l" * 65)
    outcome = screened(request)
    assert "7 attributes, names or bodies over max_attribute_bytes were cut" in outcome.message
    texts = (scope_spans.scope.name, span.name, span.trace_state, span.status.message)
    assert {len(text) for text in (*texts, span.events[0].name, span.links[0].trace_state)} == {64}
    assert ([pair.key for pair in span.attributes], span.dropped_attributes_count) == (["k" * 64], 1)


def test_a_span_that_ends_in_the_future_is_rejected(make_request: MakeRequest) -> None:
    """Centuries of one call would be in every average and quantile of durations."""
    request = make_request()
    (span,) = request.resource_spans[0].scope_spans[0].spans
    span.end_time_unix_nano = NOW_NS + 3600 * 10**9
    assert screened(request) == Outcome()
    span.end_time_unix_nano += 1
    assert screened(request).rejected == 1


@pytest.mark.parametrize(
    ("started_ns", "limit"), [(NOW_NS + 2 * 3600 * 10**9, "future"), (NOW_NS - 31 * DAY_NS, "past"), (0, "past")]
)
def test_a_span_of_another_age_is_rejected_alone(started_ns: int, limit: str, make_request: MakeRequest) -> None:
    """A clock that is off costs its spans, with the reason, and not those beside them."""
    request = make_request((b"\x01" * 16, b"\x02" * 8), (b"\x01" * 16, b"\x03" * 8))
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].start_time_unix_nano = started_ns
    counted = hits(limit)
    outcome = screened(request)
    assert [span.span_id for span in spans] == [b"\x03" * 8]
    assert outcome.rejected == 1
    assert "max_future_s" in outcome.message or "max_age_days" in outcome.message
    assert hits(limit) == counted + 1


def test_log_records_have_the_same_limits() -> None:
    """Body, attributes and time of a log record are held to the limits, or its observed time."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(observed_time_unix_nano=NOW_NS).body.string_value = "x" * 100
    records.add(time_unix_nano=NOW_NS).body.array_value.values.add().string_value = "x" * 100
    records.add(time_unix_nano=1)
    outcome = screened(request, "logs")
    assert outcome.rejected == 1
    assert [record.body.string_value for record in records] == ["x" * 64, ""]
    assert not records[1].HasField("body")


def test_deep_nesting_is_refused_as_such() -> None:
    """Values nested deeper than protobuf reads get a reason of their own."""
    request = ExportTraceServiceRequest()
    value = request.resource_spans.add().scope_spans.add().spans.add().attributes.add(key="k").value
    for _ in range(60):
        value = value.array_value.values.add()
    with pytest.raises(BadInputError, match="nested deeper than 100 levels"):
        parse_protobuf("traces", request.SerializeToString())
