"""The compiled scan: what it lets pass, the screen in Python would have left exactly as it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.access import Grant
from spanledger_collector.compiled import twin
from spanledger_collector.config import Limits, RedactionRule
from spanledger_collector.decode import Decoder, reference
from spanledger_collector.errors import BadInputError
from spanledger_collector.native import rows_of
from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.redact import Redaction
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.submit import Outcome, Received

from ..fuzz.mutate import mutate

pytestmark = pytest.mark.skipif(
    twin("receive.compiled_scan") is None, reason="the compiled scan is not built, or left aside"
)

NOW_NS = 1_800_000_000 * 10**9
SMALL = Limits(max_attributes=6, max_attribute_bytes=40, max_events=1, max_links=1, max_future_s=60, max_age_days=3000)
CORPUS = Path(__file__).parent.parent / "corpus"
MakeRequest = Callable[..., ExportTraceServiceRequest]


def screen(limits: Limits | None = None) -> Screen:
    """A screen with the clock of these tests."""
    return Screen(limits, now_ns=lambda: NOW_NS)


def passes(body: bytes, limits: Limits | None = None) -> bool:
    """Whether the scan lets ``body`` pass; if it does, everything that follows from it is checked."""
    clean = screen(limits).clean("traces", body)
    if clean is None:
        return False
    request = parse_protobuf("traces", body)
    before = request.SerializeToString()
    received = Received("traces", request, len(body))
    assert screen(limits).apply(received) == Outcome()
    assert request.SerializeToString() == before
    assert clean.spans == received.spans
    assert clean.body == request
    spans, rows = reference.decode([request])
    assert repr(rows_of(Decoder(bool, bool).decode([body]).block)) == repr(rows)
    assert len(spans) == clean.spans
    return True


@cache
def captured() -> list[bytes]:
    """What real emitters sent."""
    paths = sorted(CORPUS.glob("*/traces-*"))
    return [received.to_protobuf() for path in paths for received in read_requests(path) if received.signal == "traces"]


def test_what_real_emitters_send_passes() -> None:
    """The scan is of use: every captured request passes, re-encoded by protobuf."""
    assert len(captured()) > 20
    assert all(passes(body) for body in captured())


def test_captured_protobuf_passes_as_it_came_over_the_wire() -> None:
    """Exporters in their own languages write what the scan takes for well-written."""
    raw = [path.read_bytes() for path in sorted(CORPUS.glob("*/traces-*.bin"))]
    assert raw
    assert all(passes(body) for body in raw)


ANY = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


@ANY
@given(st.data(), st.integers(1, 4), st.booleans(), st.randoms(use_true_random=False))
def test_changed_bytes_pass_only_where_the_screen_would_change_nothing(
    data: st.DataObject, times: int, small: bool, chance: random.Random
) -> None:
    """Bytes set, removed and put in anywhere in requests, under wide and under narrow limits."""
    body = bytearray(data.draw(st.sampled_from(captured())))
    for _ in range(times):
        at = chance.randrange(len(body) + 1)
        body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    passes(bytes(body), SMALL if small else None)


@ANY
@given(st.data(), st.integers(1, 3), st.booleans(), st.randoms(use_true_random=False))
def test_changed_fields_pass_only_where_the_screen_would_change_nothing(
    data: st.DataObject, times: int, small: bool, chance: random.Random
) -> None:
    """Whole fields changed to what nobody should send: ids, times, texts, numbers, counts."""
    content = b"\x00" + data.draw(st.sampled_from(captured()))
    for _ in range(times):
        content = mutate(content, chance, lambda part: part + chance.randbytes(chance.randrange(3)))
    passes(content[1:], SMALL if small else None)


def prefixes(body: bytes) -> Iterator[bytes]:
    """A body cut short at every place."""
    return (body[:end] for end in range(1, len(body)))


def test_no_part_of_a_request_is_read_beyond_its_end(make_request: MakeRequest) -> None:
    """However a body is cut short, it is left to the parser, which refuses it."""
    body = make_request().SerializeToString()
    assert passes(body)
    for short in prefixes(body):
        assert not passes(short)


def with_span(change: Callable[[object], object]) -> bytes:
    """A request with one span that is at no limit, changed."""
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=NOW_NS)
    )
    change(span)
    return request.SerializeToString()


def attributes(holder: object, count: int, text: str = "") -> None:
    """That many attributes."""
    for index in range(count):
        holder.attributes.add(key=f"k{index}").value.string_value = text  # type: ignore[attr-defined]


DAY_NS = 86_400 * 10**9
EDGES = {
    "attributes": (lambda span: attributes(span, 6), lambda span: attributes(span, 7)),
    "bytes": (lambda span: attributes(span, 1, "x" * 38), lambda span: attributes(span, 1, "x" * 39)),
    "event attributes": (
        lambda span: attributes(span.events.add(), 6),
        lambda span: attributes(span.events.add(), 7),
    ),
    "link attributes": (lambda span: attributes(span.links.add(), 6), lambda span: attributes(span.links.add(), 7)),
    "events": (lambda span: span.events.add(), lambda span: [span.events.add(), span.events.add()]),
    "links": (lambda span: span.links.add(), lambda span: [span.links.add(), span.links.add()]),
    "future": (
        lambda span: setattr(span, "start_time_unix_nano", NOW_NS + 60 * 10**9),
        lambda span: setattr(span, "start_time_unix_nano", NOW_NS + 60 * 10**9 + 1),
    ),
    "end": (
        lambda span: setattr(span, "end_time_unix_nano", NOW_NS + 60 * 10**9),
        lambda span: setattr(span, "end_time_unix_nano", NOW_NS + 60 * 10**9 + 1),
    ),
    "name": (lambda span: setattr(span, "name", "n" * 40), lambda span: setattr(span, "name", "n" * 41)),
    "past": (
        lambda span: setattr(span, "start_time_unix_nano", NOW_NS - 3000 * DAY_NS),
        lambda span: setattr(span, "start_time_unix_nano", NOW_NS - 3000 * DAY_NS - 1),
    ),
    "no time": (lambda span: None, lambda span: span.ClearField("start_time_unix_nano")),
    "trace id": (lambda span: None, lambda span: setattr(span, "trace_id", b"t" * 15)),
    "no trace id": (lambda span: None, lambda span: span.ClearField("trace_id")),
    "zero trace id": (
        lambda span: setattr(span, "trace_id", bytes(15) + b"t"),
        lambda span: setattr(span, "trace_id", bytes(16)),
    ),
    "span id": (lambda span: None, lambda span: setattr(span, "span_id", b"s" * 9)),
    "parent id": (
        lambda span: setattr(span, "parent_span_id", bytes(8)),
        lambda span: setattr(span, "parent_span_id", b"p" * 7),
    ),
}


@pytest.mark.parametrize(("within", "beyond"), EDGES.values(), ids=EDGES)
def test_each_limit_at_its_edge(within: Callable[[object], object], beyond: Callable[[object], object]) -> None:
    """What is just within a limit passes; what is just beyond it is for the screen, which says so or cuts it."""
    assert passes(with_span(within), SMALL)
    body = with_span(beyond)
    assert not passes(body, SMALL)
    request = ExportTraceServiceRequest.FromString(body)
    assert screen(SMALL).apply(Received("traces", request, len(body))) != Outcome()


ODD = {
    "an unknown field": b"\x9a\x06\x01x",
    "a field that is there twice": b"\x2a\x01a\x2a\x01b",
    "fields out of order": b"\x2a\x01a\x1a\x01b",
    "a length in more bytes than it needs": b"\x2a\x81\x00a",
    "a text that is not UTF-8": b"\x2a\x01\xff",
    "half a surrogate pair": b"\x2a\x03\xed\xa0\x80",
    "a character in more bytes than it needs": b"\x2a\x02\xc1\xbf",
    "a number too large for its field": b"\x50\xff\xff\xff\xff\x1f",
    "another wire type": b"\x29" + bytes(8),
    "a group": b"\x4b\x4c",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_protobuf_would_write_otherwise_is_left_to_it(odd: bytes) -> None:
    """Bytes that the journal promises not to hold are parsed and written anew, or refused."""
    span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + odd + b"\x39" + NOW_NS.to_bytes(8, "little")
    assert not passes(nested(span))


def nested(span: bytes) -> bytes:
    """A request of one span, which is at most 123 bytes."""
    return b"\x0a%c\x12%c\x12%c%b" % (len(span) + 4, len(span) + 2, len(span), span)


def test_zeroes_that_are_written_out_pass() -> None:
    """protobuf.js writes a zero where others write nothing; it is the same request."""
    zeroes = b"\x1a\x00\x22\x00\x2a\x00\x30\x00"
    start = b"\x39" + NOW_NS.to_bytes(8, "little")
    span = (
        b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + zeroes + start + b"\x50\x00\x60\x00\x70\x00\x7a\x02\x18\x00"
    )
    assert passes(nested(span))


def test_deep_nesting_is_left_to_the_parser() -> None:
    """Values in values pass to a depth that no emitter reaches, and do not exhaust the stack beyond."""

    def deep(levels: int) -> bytes:
        value = b"\x0a\x01x"
        for _ in range(levels):
            value = b"\x0a" + varint(len(value)) + value
            value = b"\x2a" + varint(len(value)) + value
        pair = b"\x0a\x01k\x12" + varint(len(value)) + value
        return wrapped(with_span(lambda _: None)[6:] + b"\x4a" + varint(len(pair)) + pair)

    assert passes(deep(20))
    assert not passes(deep(100_000))
    with pytest.raises(BadInputError, match="100 levels"):
        parse_protobuf("traces", deep(1_000))


def varint(number: int) -> bytes:
    """A length, as protobuf writes it."""
    encoded = b""
    while number > 127:
        encoded += bytes((number & 127 | 128,))
        number >>= 7
    return encoded + bytes((number,))


def wrapped(span: bytes) -> bytes:
    """A request of one span of any size."""
    body = span
    for tag in (b"\x12", b"\x12", b"\x0a"):
        body = tag + varint(len(body)) + body
    return body


@pytest.mark.parametrize(
    ("made", "grant"),
    [
        (Screen(redaction=Redaction([RedactionRule(name="secret", action="drop")]), now_ns=lambda: NOW_NS), Grant()),
        (screen(), Grant(team="checkout")),
        (screen(), Grant(environment="production")),
    ],
    ids=["redaction", "pinned team", "pinned environment"],
)
def test_what_is_to_be_changed_for_other_reasons_is_not_scanned(made: Screen, grant: Grant) -> None:
    """Rules of redaction and what a token pins are for the screen, whatever the bytes are."""
    body = with_span(lambda _: None)
    assert passes(body)
    assert made.clean("traces", body, grant) is None


def test_other_signals_and_empty_bodies_are_not_scanned() -> None:
    """Logs and metrics have screens of their own; nothing is in an empty request."""
    assert screen().clean("logs", with_span(lambda _: None)) is None
    assert screen().clean("traces", b"") is None
