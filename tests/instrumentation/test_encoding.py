"""Spans in bytes of our own are, to whoever reads them, what the SDK's encoder would have written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanledger import encoding
from spanledger.encoding import OtherSpanError, encode

RESOURCE = Resource({"service.name": "app", "n": 1}, "https://example.org/schema")
SCOPE = InstrumentationScope("spanledger", "1.0", "https://example.org/scope")
TEXTS = st.text(max_size=300)
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.one_of(
    TEXTS, NUMBERS, st.booleans(), st.floats(allow_nan=False), st.lists(TEXTS, max_size=3).map(tuple), st.just(())
)
OTHER_VALUES = st.one_of(
    st.binary(max_size=9), st.lists(NUMBERS, max_size=3).map(tuple), st.none(), st.just({"a": "b"})
)
IDS = st.integers(1, (1 << 64) - 1)


def context(number: int, *, is_remote: bool = False, state: TraceState | None = None) -> SpanContext:
    """Make the place of a span in a trace."""
    return SpanContext(number, number, is_remote, TraceFlags(1), state)


def read(data: bytes) -> dict[Any, list[bytes]]:
    """Give the spans of a request by the resource and scope that they are of."""
    found: dict[Any, list[bytes]] = {}
    for of_resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for of_scope in of_resource.scope_spans:
            place = (
                of_resource.resource.SerializeToString(),
                of_resource.schema_url,
                of_scope.scope.SerializeToString(),
                of_scope.schema_url,
            )
            found.setdefault(place, []).extend(span.SerializeToString() for span in of_scope.spans)
    return {place: sorted(spans) for place, spans in found.items()}


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    """Any span: most are of the kind that is written here, some are left to the SDK."""
    state = draw(st.sampled_from([None, None, TraceState([("a", "b")])]))
    parent = draw(st.none() | st.builds(context, IDS, is_remote=st.booleans()))
    return ReadableSpan(
        name=draw(TEXTS),
        context=context(draw(IDS), state=state),
        parent=parent,
        resource=draw(st.sampled_from([RESOURCE, Resource({}), Resource({"a": (1, 2)})])),
        attributes=draw(st.dictionaries(st.text(min_size=1, max_size=200), VALUES | OTHER_VALUES, max_size=5)),
        events=draw(st.sampled_from([(), (), (Event("happened", {"a": 1}, 5),)])),
        links=draw(st.sampled_from([(), (), (Link(context(7)),)])),
        kind=draw(st.sampled_from(SpanKind)),
        status=draw(st.sampled_from([Status(), Status(StatusCode.ERROR), Status(StatusCode.ERROR, "why")])),
        start_time=draw(st.integers(1, (1 << 64) - 1)),
        end_time=draw(st.integers(1, (1 << 64) - 1)),
        instrumentation_scope=draw(st.sampled_from([SCOPE, InstrumentationScope("other"), None])),
    )


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(spans(), max_size=6))
def test_it_says_what_the_sdk_says(some):
    """Every span arrives under its resource and scope with every field, whichever of the two has written it."""
    assert read(encode(some)) == read(encode_spans(some).SerializeToString())


def test_spans_of_ours_are_written_here(monkeypatch):
    """A span without events, links and odd values does not go by the SDK's encoder, and its bytes are the same."""
    plain = ReadableSpan(
        name="chat m",
        context=context(9),
        resource=RESOURCE,
        attributes={"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1, "b": True, "f": 0.5, "r": ("stop",)},
        kind=SpanKind.CLIENT,
        start_time=1,
        end_time=2,
        instrumentation_scope=SCOPE,
    )
    monkeypatch.setattr(encoding, "encode_spans", None)
    assert encode([plain]) == encode_spans([plain]).SerializeToString()


def test_the_same_number_and_truth_are_told_apart(monkeypatch):
    """1, True and 1.0 are equal in Python, and three values here; what is remembered has a bound."""
    monkeypatch.setattr(encoding, "MOST_REMEMBERED", 2)
    some = [
        ReadableSpan("s", context(1), attributes={"k": value}, start_time=1, end_time=2, instrumentation_scope=SCOPE)
        for value in (1, True, 1.0, "1", ("1",), "2", "3", 1, True)
    ]
    assert read(encode(some)) == read(encode_spans(some).SerializeToString())
    assert len(encoding._remembered) <= 2


@pytest.mark.parametrize("value", [None, b"bytes", {"a": 1}, (1, 2), 1 << 63, "\ud800", ("\ud800",)])
def test_what_is_not_written_here_is_refused(value):
    """A value of another kind is the SDK's to write, or to leave out."""
    with pytest.raises(OtherSpanError):
        encoding._attribute("k", value)
