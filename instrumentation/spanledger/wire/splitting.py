"""Cutting a stream into its events, out of chunks that end anywhere: one splitter a framing."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

from spanledger.wire.decoding import LARGEST_BYTES, UnreadableError


class Splitter(Protocol):
    """Gives each event, as JSON text, as soon as it is complete."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Give the events that ``chunk`` completes.

        Raises:
            UnreadableError: what comes cannot be events, or one of them is too large.
        """


class EventSplitter:
    """Server-sent events: the data of each. Source: WHATWG HTML, 9.2.6."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    @property
    def is_between(self) -> bool:
        """Whether no event has begun that has not ended."""
        return not self._rest and not self._data

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Give the data of the events that ``chunk`` completes."""
        # Most chunks are one whole event of one line; they need no splitting.
        is_one = chunk[:5] == b"data:" and chunk[-2:] == b"\n\n" and chunk.find(b"\n") == len(chunk) - 2
        if is_one and self.is_between:
            return (chunk[5:].strip(),)
        return self._lines(chunk)

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
                self._data_bytes += len(line)
            elif self._data and line in (b"", b"\r"):
                yield b"\n".join(self._data)
                self._data.clear()
                self._data_bytes = 0
        if len(self._rest) + self._data_bytes > LARGEST_BYTES:
            raise UnreadableError


class ArraySplitter:
    """The objects of one JSON array that grows as it is sent, or one object alone."""

    _STRUCTURE = re.compile(rb'\\.|["{}]', re.DOTALL)

    def __init__(self) -> None:
        self._rest = b""
        self._depth = 0
        self._in_string = False
        self._is_escaping = False
        """Whether the rest ends in half an escape, whose other half is still to come."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the objects that ``chunk`` completes."""
        data = self._rest + chunk
        begun, read_to = 0, len(self._rest) - self._is_escaping
        for match in self._STRUCTURE.finditer(data, read_to):
            read_to = match.end()
            token = match.group()
            if token == b'"':
                self._in_string = not self._in_string
            elif self._in_string or len(token) > 1:
                continue
            elif token == b"{":
                begun = begun if self._depth else match.start()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    yield data[begun:read_to]
        self._rest = data[begun:] if self._depth else b""
        self._is_escaping = bool(self._rest) and data.endswith(b"\\") and read_to < len(data)
        if len(self._rest) > LARGEST_BYTES:
            raise UnreadableError


class FrameSplitter:
    """Frames of ``application/vnd.amazon.eventstream``: ``{"<event type>": payload}`` of each.

    A frame is: its length and that of its headers (4 bytes each, big endian), a checksum of these (4), the
    headers, the payload, a checksum of all (4). Checksums are the client's business. An exception becomes
    ``{"error": {"type": ...}}``. Source: AWS, "Event stream encoding".
    """

    _PRELUDE = struct.Struct(">III")
    _CHECKSUM_BYTES = 4
    _WORD = re.compile(rb"\w+")

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the events of the frames that ``chunk`` completes."""
        self._rest += chunk
        while len(self._rest) >= self._PRELUDE.size:
            total_bytes, header_bytes, _checksum = self._PRELUDE.unpack_from(self._rest)
            payload = self._PRELUDE.size + header_bytes
            if not payload + self._CHECKSUM_BYTES <= total_bytes <= LARGEST_BYTES:
                raise UnreadableError
            if len(self._rest) < total_bytes:
                return
            headers = string_headers(bytes(self._rest[self._PRELUDE.size : payload]))
            yield self._event(headers, bytes(self._rest[payload : total_bytes - self._CHECKSUM_BYTES]))
            del self._rest[:total_bytes]

    def _event(self, headers: dict[bytes, bytes], payload: bytes) -> bytes:
        failure = headers.get(b":exception-type") or headers.get(b":error-code")
        kind = failure or headers.get(b":event-type", b"")
        if not self._WORD.fullmatch(kind):
            raise UnreadableError
        if failure:
            return b'{"error":{"type":"%b"}}' % kind
        return b'{"%b":%b}' % (kind, payload or b"null")


FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""How many bytes the values of a header's other types take: booleans, integers, a timestamp, a UUID."""


def string_headers(data: bytes) -> dict[bytes, bytes]:
    """Give the headers of a frame whose values are strings or bytes; the others are passed over.

    Raises:
        UnreadableError: the bytes are no headers.
    """
    found: dict[bytes, bytes] = {}
    position = 0
    try:
        while position < len(data):
            value = position + 1 + data[position]
            name, kind = data[position + 1 : value], data[value]
            if kind in FIXED_SIZES:
                position = value + 1 + FIXED_SIZES[kind]
            else:
                (size,) = struct.unpack_from(">H", data, value + 1)
                position = value + 3 + size
                found[name] = data[value + 3 : position]
    except (IndexError, struct.error) as error:
        raise UnreadableError from error
    return found
