"""What is fuzzed: the three OTLP entrances and all that stands behind them, without sockets, and what must hold.

Whatever the bytes: the answer is success or a refusal of the sender's own making, what was taken can be read again
from the journal, all decoders make the same rows and facts of it, and the store takes every span of it.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.compiled import twin
from spanledger_collector.decode import decoder, reference
from spanledger_collector.errors import BadInputError
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import open_embedded
from spanledger_collector.journal import Request
from spanledger_collector.model import Fact, Span
from spanledger_collector.native import rows_of
from spanledger_collector.normalise import fact_reader, name_tells, normalise, scope_tells
from spanledger_collector.pipeline import LedgerRequest, Pipeline, leads_to_ledger
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.connection import Connection
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.grpc import _export
from spanledger_collector.receive.http import OtlpHandler
from spanledger_collector.receive.room import Room
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import CleanSpans, InMemorySubmit, Received, Signal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Way = Literal["grpc", "protobuf", "json"]
WAYS: tuple[Way, ...] = get_args(Way)
SIGNAL_NAMES: tuple[Signal, ...] = tuple(SIGNALS)
COMPRESS = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
MAX_REQUEST_BYTES = 256 * 1024
_NOW_NS = 1_800_000_000 * 10**9
_CONTENT_TYPES = {"protobuf": b"application/x-protobuf", "json": b"application/json"}
_SENDERS_OWN = {200, 400, 413, 415}


class Subject:
    """Entrances, decoders and a pipeline into an embedded store in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._submit = InMemorySubmit()
        entrance = Entrance(self._submit, screen=Screen(now_ns=lambda: _NOW_NS))
        self._over_grpc = {signal: _export(signal, entrance, Room(2**27), MAX_REQUEST_BYTES) for signal in SIGNALS}
        self._over_http = OtlpHandler(entrance, MAX_REQUEST_BYTES, 2**27)
        self._loop = asyncio.new_event_loop()
        self._decoders: list[Any] = [decoder.Decoder(scope_tells, name_tells)]
        compiled = twin("decode.compiled_decoder")
        if compiled is not None:
            self._decoders.append(compiled.Decoder(scope_tells, name_tells, fact_reader()))
        self._store = open_embedded(directory)
        migrate(self._store)
        self._pipeline = Pipeline(Ledger(self._store), Catalogue.load())

    def close(self) -> None:
        """Close the store."""
        self._store.close()
        self._loop.close()

    def send(self, way: Way, signal: Signal, body: bytes, encoding: str = "") -> list[LedgerRequest]:
        """Send ``body``, hold the answer to what is promised, and give what was taken for the ledger."""
        self._submit.requests.clear()
        if way != "json" and signal == "traces":
            self.decode(body)
        if way == "grpc":
            assert self._send_over_grpc(signal, body) in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
        else:
            status = self._loop.run_until_complete(self._send_over_http(way, signal, body, encoding))
            assert status in _SENDERS_OWN, status
        return [request for taken in self._submit.requests for request in self._kept(taken)]

    def store(self, requests: Collection[LedgerRequest]) -> None:
        """Take requests through the pipeline; every span of them must be in the store, read as it was sent."""
        traces = [request for request in requests if isinstance(request, bytes)]
        spans, rows = reference.decode(map(ExportTraceServiceRequest.FromString, traces))
        for each in self._decoders:
            batch = each.decode(traces)
            # As text, because a value that is no number is not equal to itself.
            assert repr(rows_of(batch.block)) == repr(rows)
            assert sorted(map(repr, _facts([*batch.telling]) + batch.facts)) == sorted(map(repr, _facts(spans)))
        self._store.command("TRUNCATE TABLE otel_traces")
        self._pipeline.process(requests)
        found = self._store.query("SELECT TraceId, SpanId FROM otel_traces").rows
        assert set(found) == {(span.trace_id, span.span_id) for span in spans}

    def decode(self, body: bytes) -> None:
        """Give bytes to the decoders as they are: what protobuf reads is read alike, and nothing breaks a block."""
        try:
            request = ExportTraceServiceRequest.FromString(body)
        except DecodeError:
            request = None
        for each in self._decoders:
            try:
                found = rows_of(each.decode([body]).block)
            except BadInputError:
                assert request is None or not request.resource_spans
                continue
            if request is not None:
                assert repr(found) == repr(reference.decode([request])[1])

    def _kept(self, received: Received | CleanSpans) -> Iterator[LedgerRequest]:
        """What the journal gives to the pipeline."""
        kept = Request.of(received)
        again = kept.parse()
        if isinstance(received, Received):
            assert again.SerializeToString() == kept.body
        if kept.signal == "traces":
            yield kept.body
        elif leads_to_ledger(again):
            yield again

    def _send_over_grpc(self, signal: Signal, body: bytes) -> grpc.StatusCode:
        context = _Context()
        with suppress(_AbortedError):
            self._loop.run_until_complete(self._over_grpc[signal](body, context))  # type: ignore[arg-type]
        return context.code

    async def _send_over_http(self, way: Way, signal: Signal, body: bytes, encoding: str) -> int:
        path = SIGNALS[signal].path.encode()
        head = (
            b"POST %b HTTP/1.1" % path,
            b"content-type: %b" % _CONTENT_TYPES[way],
            b"content-length: %d" % len(body),
        )
        coded = (b"content-encoding: %b" % encoding.encode(),) if encoding else ()
        tasks: set[asyncio.Task[None]] = set()
        transport = _Transport()
        connection = Connection(self._over_http, set(), tasks, lambda: (), 60.0)
        connection.connection_made(transport)
        connection.data_received(b"\r\n".join((*head, *coded, b"", body)))
        await asyncio.gather(*tasks)
        connection.connection_lost(None)
        return int(transport.written.split(b" ", 2)[1])


class _Transport(asyncio.Transport):
    """As much of a client's socket as a connection needs."""

    written = b""

    def write(self, data: Any) -> None:
        """Keep what is answered."""
        self.written += data

    def is_closing(self) -> bool:
        """It stays open."""
        return False


def _facts(spans: list[Span]) -> list[Fact]:
    return [fact for span in spans if (fact := normalise(span))]


class _AbortedError(Exception):
    """The call was refused."""


class _Context:
    """As much of a gRPC call as the entrance needs."""

    code = grpc.StatusCode.OK

    def invocation_metadata(self) -> tuple[()]:
        """Nothing."""
        return ()

    async def abort(self, code: grpc.StatusCode, *_: object) -> None:
        """Note the code and end the call."""
        self.code = code
        raise _AbortedError
