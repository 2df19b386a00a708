"""The fast decoders, pure and compiled, agree with the straightforward one, span for span and row for row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector import decode
from spanledger_collector.compiled import PURE, twin
from spanledger_collector.decode import Batch, attributes, decoder, reference
from spanledger_collector.errors import BadInputError
from spanledger_collector.model import Span
from spanledger_collector.native import rows_of
from spanledger_collector.normalise import name_tells, normalise, scope_tells
from spanledger_collector.receive.files import read_requests

CAPTURED = sorted((Path(__file__).parents[1] / "corpus").glob("*/traces-*"))
COMPILED: Any = twin("decode.compiled_decoder")
DECODER: Any = None
"""One for all tests of a twin: what it remembers of one request must not show in another."""

_TEXTS = st.text(max_size=12) | st.sampled_from([55, 126, 127, 128, 129, 16_383, 16_384]).map("x".__mul__)
_TIMES = st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**63 - 1, 2**63])
_ENUMS = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 5)


def _values(nested: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    arrays = st.builds(lambda items: AnyValue(array_value={"values": items}), st.lists(nested, max_size=3))
    maps = st.builds(lambda pairs: AnyValue(kvlist_value={"values": pairs}), st.lists(_pairs(nested), max_size=3))
    return arrays | maps


def _pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
    names = st.sampled_from(["gen_ai.system", "a", "", "acme.tokens", "n" * 127, "n" * 128]) | st.text(max_size=5)
    return st.builds(lambda key, value: KeyValue(key=key, value=value), names, values) | st.builds(KeyValue, key=names)


_SCALARS = (
    st.builds(AnyValue)
    | st.builds(lambda value: AnyValue(string_value=value), _TEXTS)
    | st.builds(lambda value: AnyValue(bool_value=value), st.booleans())
    | st.builds(lambda value: AnyValue(int_value=value), st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300))
    | st.builds(lambda value: AnyValue(double_value=value), st.floats())
    | st.builds(lambda value: AnyValue(bytes_value=value), st.binary(max_size=9))
)
_ATTRIBUTES = st.lists(_pairs(st.recursive(_SCALARS, _values, max_leaves=5)), max_size=6)
_IDS = {"trace_id": st.binary(min_size=16, max_size=16), "span_id": st.binary(min_size=8, max_size=8)}
_SPANS = st.fixed_dictionaries(
    {
        **_IDS,
        "parent_span_id": st.just(b"") | st.binary(min_size=8, max_size=8),
        "trace_state": _TEXTS,
        "name": _TEXTS,
        "kind": _ENUMS,
        "start_time_unix_nano": _TIMES,
        "end_time_unix_nano": _TIMES,
        "attributes": _ATTRIBUTES,
        "events": st.lists(
            st.fixed_dictionaries({"name": _TEXTS, "time_unix_nano": _TIMES, "attributes": _ATTRIBUTES}), max_size=2
        ),
        "links": st.lists(
            st.fixed_dictionaries({**_IDS, "trace_state": _TEXTS, "attributes": _ATTRIBUTES}), max_size=2
        ),
        "status": st.fixed_dictionaries({"code": _ENUMS, "message": _TEXTS}),
        "dropped_attributes_count": st.integers(0, 9),
    }
)
_REQUESTS = st.builds(
    lambda resource_spans: ExportTraceServiceRequest(resource_spans=resource_spans),
    st.lists(
        st.fixed_dictionaries(
            {
                "resource": st.fixed_dictionaries({"attributes": _ATTRIBUTES}),
                "scope_spans": st.lists(
                    st.fixed_dictionaries(
                        {
                            "scope": st.fixed_dictionaries({"name": st.sampled_from(["", "http", "openlit"])}),
                            "spans": st.lists(_SPANS, max_size=3),
                        }
                    ),
                    max_size=2,
                ),
            }
        ),
        max_size=2,
    ),
)
_OFTEN = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", params=["pure", "compiled"], autouse=True)
def twin_under_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test is held for both twins."""
    global DECODER
    if request.param == "compiled" and COMPILED is None:
        pytest.skip("the compiled decoder is not built here")
    module = decoder if request.param == "pure" else COMPILED
    DECODER = module.Decoder(scope_tells, name_tells)
    yield
    DECODER = None


def assert_same(requests: list[ExportTraceServiceRequest]) -> Batch:
    """Hold the two decoders together on some requests."""
    spans, rows = reference.decode(requests)
    batch = DECODER.decode(requests)
    assert batch.size == len(spans)
    # As text, because a value that is no number is not equal to itself.
    assert repr(rows_of(batch.block)) == repr(rows)
    telling = {id(span) for span in _telling(spans)}
    assert [repr(span) for span in batch.telling] == [repr(span) for span in spans if id(span) in telling]
    plain = {(span.trace_id, span.span_id): span for span in spans if id(span) not in telling}
    assert {place: repr(make()) for place, make in batch.plain.items()} == {p: repr(s) for p, s in plain.items()}
    assert list(batch.plain.among(set(plain) | {("0" * 32, "0" * 16), ("", "é")})) or not plain
    assert set(batch.plain.among(list(plain)[:1])) == set(list(plain)[:1])
    # As the journal has them: the bytes that protobuf wrote.
    assert DECODER.decode([request.SerializeToString() for request in requests]).block == batch.block
    return batch


def _telling(spans: list[Span]) -> list[Span]:
    return [s for s in spans if scope_tells(s.scope_name) or any(map(name_tells, s.attributes))]


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_captured_spans_are_decoded_alike(path: Path) -> None:
    """Every span of every captured emitter."""
    assert_same([received.body for received in read_requests(path)])


@_OFTEN
@given(st.lists(_REQUESTS, max_size=2))
def test_any_request_is_decoded_alike(requests: list[ExportTraceServiceRequest]) -> None:
    """Requests of any shape: every type of value, every length of a length, keys said twice, times out of range."""
    assert_same(requests)


@_OFTEN
@given(st.sampled_from(CAPTURED), st.data())
def test_bytes_that_were_tampered_with_are_refused_or_decoded_alike(path: Path, data: st.DataObject) -> None:
    """Hostile bytes that still parse as OTLP make the same rows in both; the block never breaks."""
    original = next(iter(read_requests(path))).body.SerializeToString()
    content = bytearray(original)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[at] = byte
    try:
        request = ExportTraceServiceRequest.FromString(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except DecodeError:
        return
    assert_same([request])


@given(_pairs(_SCALARS), st.binary(max_size=6), st.integers(0, 40))
@example(KeyValue(key="k", value=AnyValue(string_value="v" * 40)), b"\x12\x02\x0a\x00", 0)
def test_an_attribute_that_is_not_written_the_usual_way_is_read_all_the_same(
    pair: KeyValue, more: bytes, cut: int
) -> None:
    """Fields said twice, unknown ones or out of order inside an attribute are read as protobuf reads them."""
    raw = pair.SerializeToString()
    span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
    for content in (raw + more, more + raw, raw[: max(0, len(raw) - cut)]):
        attribute = b"\x4a" + _length(len(content)) + content
        nested = span + attribute
        for tag in (b"\x12", b"\x12", b"\x0a"):
            nested = tag + _length(len(nested)) + nested
        try:
            request = ExportTraceServiceRequest.FromString(nested)
        except DecodeError:
            continue
        assert_same([request])


def _length(size: int) -> bytes:
    return bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))


@_OFTEN
@given(_REQUESTS)
def test_a_span_that_does_not_tell_is_no_fact(request: ExportTraceServiceRequest) -> None:
    """Nothing is lost by looking at scope and names alone: what is left aside would have been no fact."""
    assert all(normalise(make()) is None for make in DECODER.decode([request]).plain.values())


def test_many_requests_make_one_block_in_their_order() -> None:
    """One block holds all requests; decoding them apart gives the same rows."""
    requests = [received.body for path in CAPTURED[:6] for received in read_requests(path)]
    together = rows_of(DECODER.decode(requests).block)
    assert together == rows_of(b"".join(DECODER.decode([request]).block for request in requests))
    assert len(together) > len(requests)


def test_nothing_makes_no_block() -> None:
    """No spans, no bytes."""
    assert DECODER.decode([ExportTraceServiceRequest()]).block == b""


def test_what_is_remembered_may_be_forgotten_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for almost nothing the rows are the same: the bounds on memory change no result."""
    for bound in ("_MAX_REMEMBERED", "_MAX_NAMES", "_MAX_SHAPES", "_MAX_SHAPE_CHARACTERS"):
        monkeypatch.setattr(attributes, bound, 2)
    monkeypatch.setattr(decoder, "_MAX_REMEMBERED", 1)
    for path in CAPTURED[:6]:
        assert_same([received.body for received in read_requests(path)])


def test_more_names_and_values_than_can_be_remembered_change_nothing() -> None:
    """Where all room for names, sets of names and values is taken, it is made anew between requests."""
    for round_number in range(12):
        spans = [
            {
                "trace_id": b"t" * 16,
                "span_id": number.to_bytes(8, "big"),
                "attributes": [
                    KeyValue(key=f"{round_number}.{number}.{name}", value=AnyValue(bytes_value=b"%d" % (number * name)))
                    for name in range(20)
                ],
            }
            for number in range(100)
        ]
        assert_same([ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": spans}]}])])
    assert_same([received.body for path in CAPTURED[:3] for received in read_requests(path)])


def test_what_is_very_long_is_taken_whole() -> None:
    """A text of more than a column keeps room for, and a name that is longer than those that are remembered."""
    for value in ("x" * 17_000_000, "short"):
        attributes = [KeyValue(key="n" * 70_000, value=AnyValue(string_value=value))] * 2
        span = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "attributes": attributes}
        assert_same([ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [span]}]}])])


@pytest.mark.parametrize("broken", [b"\x0a\xff", b"\x12\x00", b"not a request"])
def test_bytes_that_are_no_request_are_refused(broken: bytes) -> None:
    """Bytes of the journal that were damaged are an error, and never a batch with nothing in it."""
    with pytest.raises(BadInputError, match="ExportTraceServiceRequest"):
        DECODER.decode([broken])


def test_the_compiled_decoder_is_the_one_in_use_where_it_is_built() -> None:
    """A twin that silently is not there, or not taken, would only show in the bill."""
    expected = decoder.Decoder if COMPILED is None else COMPILED.Decoder
    assert decode.Decoder is expected
    built = list(Path(decode.__file__).parent.glob("compiled_decoder.*.so"))
    assert (COMPILED is not None) == bool(built and not PURE)


def test_only_what_is_unusual_goes_to_the_pure_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured requests, whole and with all that OTLP has beside what is read, are decoded by the compiled twin."""
    if COMPILED is None:
        pytest.skip("the compiled decoder is not built here")
    monkeypatch.setattr(COMPILED, "PureDecoder", lambda *_: None)
    alone = COMPILED.Decoder(scope_tells, name_tells)
    for path in CAPTURED:
        for received in read_requests(path):
            for resource_spans in received.body.resource_spans:
                resource_spans.schema_url = "https://example.com/1.0"
                for scope_spans in resource_spans.scope_spans:
                    scope_spans.schema_url = "https://example.com/1.0"
                    for span in scope_spans.spans:
                        span.flags = 257
                        span.dropped_attributes_count = span.dropped_events_count = span.dropped_links_count = 3
            assert alone.decode([received.body.SerializeToString()]).size
