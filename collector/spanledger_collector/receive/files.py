"""OTLP traces from files and standard input: protobuf, JSON or one JSON request a line, each also compressed.

What a file is shows in its content, not in its name: gzip and Zstandard have magic numbers; JSON never holds
a control character other than white space, and protobuf of spans always does (0x12, the tag of many a field).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path
from typing import Any

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.compression import (
    DECOMPRESSION_ERRORS,
    Readable,
    compression_of,
    decompressing,
)
from spanledger_collector.receive.errors import TooLargeError
from spanledger_collector.receive.otlp_json import load_json, request_from, signal_of
from spanledger_collector.receive.otlp_protobuf import recognise
from spanledger_collector.receive.submit import ExportRequest, Received, Signal

ACCEPTED_FORMATS = (
    "accepted are OTLP traces and logs as protobuf (.bin, .pb), as JSON (.json) "
    "or as one JSON request a line (.jsonl), each also .gz or .zst"
)
MAX_REQUEST_BYTES = 1 << 29
"""The largest request, that is line of a .jsonl or file of another form, which is read into memory."""

_HEAD_BYTES = 4096
_CONTROL_CHARACTERS = bytes(set(range(0x20)) - set(b"\t\n\r"))


def read_requests(path: str | Path) -> Iterator[Received]:
    """The requests with traces or logs in a file, or in standard input for ``-``, in order; a .jsonl line by line.

    Raises:
        BadInputError: the file cannot be read, is no OTLP, or holds metrics or nothing at all. The
            message names the file, the line where there are several, the reason and the accepted formats. The
            requests before a broken line have been yielded by then.
    """
    name = "standard input" if str(path) == "-" else str(path)
    encoding = ""
    with ExitStack() as stack:
        try:
            source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(Path(path).open("rb"))
            stream, head = _peek(source)
            encoding = compression_of(head)
            if encoding:
                stream, head = _peek(decompressing(stream, encoding))
            yield from _requests(stream, head)
        except BadInputError as error:
            raise BadInputError(f"{name}: {error}; {ACCEPTED_FORMATS}") from None
        except DECOMPRESSION_ERRORS:
            raise BadInputError(f"{name}: broken or truncated {encoding}; {ACCEPTED_FORMATS}") from None
        except OSError as error:
            raise BadInputError(f"{name}: cannot be read ({error.strerror})") from None


def _peek(stream: Readable) -> tuple[io.BufferedReader, bytes]:
    """The first bytes of a stream, which may be a pipe, and a stream that still begins with them."""
    head = stream.read(_HEAD_BYTES)
    return io.BufferedReader(_Rejoined(head, stream)), head


class _Rejoined(io.RawIOBase):
    """Some bytes, then the rest of the stream that they were read from."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _requests(stream: io.BufferedReader, head: bytes) -> Iterator[Received]:
    if not head:
        raise BadInputError("is empty")
    if head.translate(None, _CONTROL_CHARACTERS) != head:
        yield _from_protobuf(_bounded(stream.read(MAX_REQUEST_BYTES + 1)))
        return
    lines = _lines(stream)
    number, first = next(lines, (0, b""))
    if not first:
        raise BadInputError("holds white space only")
    try:
        load_json(first)
    except BadInputError:
        # The first line of a longer document, or no JSON at all. The empty lines keep the line numbers right.
        body = b"\n" * (number - 1) + first + stream.read(MAX_REQUEST_BYTES + 1)
        yield _from_json(_bounded(body))
        return
    for line_number, line in chain([(number, first)], lines):
        try:
            yield _from_json(line)
        except BadInputError as error:
            raise BadInputError(f"line {line_number}: {error}") from None


def _lines(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    for number in count(1):
        line = _bounded(stream.readline(MAX_REQUEST_BYTES + 1))
        if not line:
            return
        if not line.isspace():
            yield number, line


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_REQUEST_BYTES:
        raise TooLargeError(MAX_REQUEST_BYTES)
    return body


def _from_json(body: bytes) -> Received:
    document = load_json(body)
    signal = signal_of(document)
    if signal is None:
        raise BadInputError("JSON, but there is no resourceSpans at its top level")
    request = request_from(signal, document)
    if request == type(request)():
        raise BadInputError("JSON, but it holds nothing")
    return _received(signal, request, body)


def _from_protobuf(body: bytes) -> Received:
    recognised = recognise(body)
    if recognised is None:
        raise BadInputError("is no OTLP: it is not text, and as protobuf it holds no span with valid ids")
    return _received(*recognised, body)


def _received(signal: Signal, request: ExportRequest, body: bytes) -> Received:
    if signal == "metrics":
        raise BadInputError("holds OTLP metrics, which carry nothing to the ledger; it takes traces and logs")
    return Received(signal, request, len(body))
