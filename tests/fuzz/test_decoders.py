"""Bytes that nobody should send, given to both decoders: read as protobuf reads them, or refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.compiled import twin
from spanledger_collector.decode import decoder, reference
from spanledger_collector.errors import BadInputError
from spanledger_collector.native import rows_of
from spanledger_collector.normalise import fact_reader, name_tells, scope_tells
from spanledger_collector.receive.files import read_requests

from .scramble import REQUEST, scrambled

CAPTURED = sorted((Path(__file__).parents[1] / "corpus").glob("*/traces-*"))
COMPILED: Any = twin("decode.compiled_decoder")
TWIN: Any = None
_OFTEN = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", params=["pure", "compiled"], autouse=True)
def twin_under_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test is held for both twins."""
    global TWIN
    if request.param == "compiled" and COMPILED is None:
        pytest.skip("the compiled decoder is not built here")
    TWIN = (
        decoder.Decoder(scope_tells, name_tells)
        if request.param == "pure"
        else COMPILED.Decoder(scope_tells, name_tells, fact_reader())
    )
    yield
    TWIN = None


@_OFTEN
@given(st.sampled_from(CAPTURED), st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.2]))
def test_bytes_that_nobody_should_write_are_read_as_protobuf_reads_them(path: Path, seed: int, rate: float) -> None:
    """Fields out of order, said twice, unknown, of other wire types, in groups, with lengths and numbers too long."""
    request = next(iter(read_requests(path))).body
    raw = scrambled(request.SerializeToString(), REQUEST, random.Random(seed), rate)
    try:
        request = ExportTraceServiceRequest.FromString(raw)
    except DecodeError:
        hold_up_against(raw)
        return
    if request.resource_spans:
        _, rows = reference.decode([request])
        assert repr(rows_of(TWIN.decode([raw]).block)) == repr(rows)


@_OFTEN
@given(st.sampled_from(CAPTURED), st.data())
def test_hostile_bytes_break_nothing(path: Path, data: st.DataObject) -> None:
    """Any byte may be any other, and the end may come anywhere: an error, or rows that are whole."""
    content = bytearray(next(iter(read_requests(path))).body.SerializeToString())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[at] = byte
    hold_up_against(bytes(content[: data.draw(st.integers(0, len(content)))]))


def hold_up_against(raw: bytes) -> None:
    """Either the bytes are refused, or what is made of them is whole; and what follows is not touched by it."""
    good = ExportTraceServiceRequest(
        resource_spans=[{"scope_spans": [{"spans": [{"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "good"}]}]}]
    ).SerializeToString()
    try:
        batch = TWIN.decode([good, raw, good])
    except BadInputError:
        batch = TWIN.decode([good, good])
    rows = rows_of(batch.block)
    assert len(rows) == batch.size >= 2
    assert rows[0] == rows[-1] == rows_of(TWIN.decode([good]).block)[0]
    for make in batch.plain.values():
        make()
