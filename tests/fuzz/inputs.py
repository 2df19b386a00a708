"""How a request and the way it comes are one string of bytes, and the captured requests in this form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.otlp_json import to_json
from spanledger_collector.receive.submit import Signal

from .subject import COMPRESS, SIGNAL_NAMES, WAYS, Way

_CORPUS = Path(__file__).parents[1] / "corpus"
_REGRESSIONS = Path(__file__).with_name("regressions")
_ENCODINGS = tuple(COMPRESS)
_MOST_BYTES = 6_000
"""Longer seeds make the fuzzer slow, and hold nothing that shorter ones of the same emitter do not."""

Arrival = tuple[Way, Signal, bytes, str]
"""The entrance, the signal, the body as sent and its content encoding."""


def unpack(content: bytes) -> Arrival:
    """What the bytes of a fuzzer mean; any mean something."""
    how, body = (content[0], content[1:]) if content else (0, b"")
    how, way = divmod(how, len(WAYS))
    how, signal = divmod(how, len(SIGNAL_NAMES))
    sent_broken, encoding = divmod(how, len(_ENCODINGS))
    name = "" if WAYS[way] == "grpc" else _ENCODINGS[encoding]
    return WAYS[way], SIGNAL_NAMES[signal], body if sent_broken else COMPRESS[name](body), name


def pack(way: Way, signal: Signal, body: bytes) -> bytes:
    """The bytes of a request that comes uncompressed."""
    return bytes((WAYS.index(way) + len(WAYS) * SIGNAL_NAMES.index(signal),)) + body


def captured() -> Iterator[tuple[Signal, bytes, bytes]]:
    """Signal, protobuf and JSON of the shorter requests that real emitters sent."""
    for path in sorted(_CORPUS.rglob("*-*.bin")):
        for received in read_requests(path):
            body = received.body.SerializeToString()
            if len(body) <= _MOST_BYTES:
                yield received.signal, body, to_json(received.body)


def seeds() -> Iterator[bytes]:
    """Each captured request for each entrance, and what once broke something."""
    for signal, protobuf, json in captured():
        yield pack("grpc", signal, protobuf)
        yield pack("protobuf", signal, protobuf)
        yield pack("json", signal, json)
    yield from (path.read_bytes() for path in regressions())


def regressions() -> list[Path]:
    """Inputs that once broke a property."""
    return sorted(_REGRESSIONS.glob("*.input"))
