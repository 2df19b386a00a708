"""Attributes as bytes, well-formed and hostile: read as protobuf reads them, or refused as it refuses them."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanledger_collector.decode.attributes import AttributeReader, values_of
from spanledger_collector.decode.otel_traces import text
from spanledger_collector.decode.spans import value_of
from spanledger_collector.native import block, rows_of, sized, varint

_KEY, _VALUE = b"\x0a", b"\x12"
_TEXT, _BOOL, _INTEGER, _UNKNOWN = b"\x0a", b"\x10", b"\x18", b"\x7a"
_SIZES = st.integers(0, 12) | st.integers(30, 70) | st.integers(110, 135) | st.sampled_from([16_383, 16_384, 2**21])

_texts = _SIZES.map(lambda size: _TEXT + sized(b"v" * size))
_numbers = st.integers(0, 2**64 - 1).map(lambda number: _INTEGER + varint(number)) | st.integers(0, 300).map(
    lambda number: _INTEGER + varint(number)
)
_long_lengths = st.integers(0, 9).map(lambda size: _TEXT + bytes((size | 128, 0)) + b"v" * size)
_others = st.sampled_from([_BOOL + b"\x01", _UNKNOWN + b"\x01x", b"", _INTEGER + b"\x85\x00"])
_any_values = st.lists(_texts | _numbers | _long_lengths | _others, max_size=2).map(b"".join)
_names = st.sampled_from([0, 1, 5, 20, 126, 127, 128, 300]).map(lambda size: _KEY + sized(b"k" * size))
_attributes = st.tuples(
    _names | st.just(b""),
    _any_values.map(lambda content: _VALUE + sized(content)) | st.just(b""),
    st.sampled_from([b"", b"", _UNKNOWN + b"\x01x", _KEY + b"\x01z", _VALUE + b"\x02\x18\x07"]),
).map(b"".join)


def assert_read_like_protobuf(raw: bytes) -> None:
    """Hold the reader against protobuf's own parser."""
    try:
        expected = KeyValue.FromString(raw)
    except DecodeError:
        return
    attribute = AttributeReader(bool).read(raw)
    value = value_of(expected.value)
    assert repr(values_of([attribute])) == repr({expected.key: value})
    assert rows_of(block([("value", "String", attribute[2])], 1)) == [{"value": text(value)}]


@given(_attributes)
@example(_KEY + sized(b"k") + _VALUE + sized(_TEXT + sized(b"v" * 60) + _UNKNOWN + b"\x01x"))
@example(_KEY + sized(b"k") + _VALUE + sized(_TEXT + sized(b"v" * 200) + _UNKNOWN + b"\x01x"))
def test_attributes_of_any_layout_are_read_as_protobuf_reads_them(raw: bytes) -> None:
    """Texts and numbers of all sizes, said twice, out of order, with unknown fields, or not there at all."""
    assert_read_like_protobuf(raw)


@given(_attributes, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3))
def test_lengths_that_lie_never_reach_a_column(raw: bytes, changes: list[tuple[int, int]]) -> None:
    """Any byte may be any other: what protobuf still reads is read the same, and one element stays one element."""
    content = bytearray(raw)
    for at, byte in changes:
        if at < len(content):
            content[at] = byte
    assert_read_like_protobuf(bytes(content))


@given(st.integers(0, 140), st.integers(-3, 3), st.integers(-3, 3))
def test_a_length_that_is_off_by_little_is_noticed(size: int, outer: int, inner: int) -> None:
    """The two lengths before a text are each held against the bytes that are there."""
    value = _TEXT + varint(max(0, size + inner)) + b"v" * size
    assert_read_like_protobuf(_KEY + sized(b"k") + _VALUE + varint(max(0, len(value) + outer)) + value)
