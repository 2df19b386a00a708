"""What a receiver and the collector say to each other: frames over a socket pair.

A frame is a kind, a number (of the request that it is about, else 0) and a body.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import NamedTuple

from spanledger_collector.errors import RetryableError
from spanledger_collector.journal.entry import Request
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.signals import SIGNALS

_HEAD = struct.Struct("<IBQ")
"""Size of the body in bytes, kind, number."""
_REQUEST = struct.Struct("<BI")
"""Signal and spans, before the body of a request."""
_SIGNALS = tuple(SIGNALS)
_BUFFER_BYTES = 4 * 1024 * 1024


class Kind(IntEnum):
    """What a frame is."""

    LISTENING = 1
    """From a receiver: it takes requests."""
    REQUEST = 2
    """From a receiver: to be kept."""
    COUNTS = 3
    """From a receiver: what it has counted since it began."""
    ANSWER = 4
    """To a receiver: a request is on disk (an empty body), or why it is not."""
    STOP = 5
    """To a receiver: finish what is in flight and end."""


class Frame(NamedTuple):
    """One message."""

    kind: Kind
    number: int
    body: bytes


class Channel:
    """One end of a socket pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """The channel whose end this is; it closes it."""
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        return cls(*await asyncio.open_connection(sock=end, limit=_BUFFER_BYTES))

    async def send(self, kind: Kind, number: int = 0, *parts: bytes) -> None:
        """Send a frame; waits while the other end does not keep up.

        Raises:
            ConnectionError: the other process is gone.
        """
        self._writer.writelines((_HEAD.pack(sum(map(len, parts)), kind, number), *parts))
        await self._writer.drain()

    async def frames(self) -> AsyncIterator[Frame]:
        """What the other end sends, until it is gone."""
        while True:
            try:
                size_bytes, kind, number = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
                yield Frame(Kind(kind), number, await self._reader.readexactly(size_bytes))
            except (asyncio.IncompleteReadError, ConnectionError):
                return

    def close(self) -> None:
        """Send nothing any more."""
        self._writer.close()


def parts_of(request: Request) -> tuple[bytes, bytes]:
    """A request as the body of a frame."""
    return _REQUEST.pack(_SIGNALS.index(request.signal), request.spans), request.body


def request_in(body: bytes) -> Request:
    """The request in the body of a frame."""
    signal, spans = _REQUEST.unpack_from(body)
    return Request(_SIGNALS[signal], spans, body[_REQUEST.size :])


def refusal(error: RetryableError) -> bytes:
    """Why a request was not taken, as the body of a frame."""
    return json.dumps([str(error), getattr(error, "retry_after_s", None)]).encode()


def refused_by(body: bytes) -> RetryableError:
    """The error in the body of a frame."""
    message, retry_after_s = json.loads(body)
    return RetryableError(message) if retry_after_s is None else QueueFullError(message, retry_after_s)
