"""HTTP/1.1 as OTLP needs it: a request with a bounded body, its answer, and the next one on the same connection.

An app behind a general server costs several times as much a request: a scope, a dozen middleware calls and as many
messages for each. Here a request is parsed by ``httptools``, as there, and handed over whole.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

import httptools

from spanledger_collector.receive.room import Room

_MAX_HEAD_BYTES = 64 * 1024
_SMALL_PART_BYTES = 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Head:
    """What comes before the body; of the headers, by names in small letters, the first of each."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]

    def header(self, name: bytes) -> str:
        """The value, or ''."""
        return self.headers.get(name, b"").decode("latin-1")


@dataclass(slots=True, frozen=True)
class Answer:
    """A whole answer; its length and what concerns the connection are added."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self, more: Headers, *, with_body: bool, closes: bool) -> bytes:
        """As it goes over the wire."""
        lines = [_STATUS_LINES[self.status]]
        lines += [b"%b: %b\r\n" % pair for pair in more]
        lines.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (self.content_type.encode(), len(self.body)))
        lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in self.headers.items()]
        lines.append(b"connection: close\r\n\r\n" if closes else b"\r\n")
        if with_body:
            lines.append(self.body)
        return b"".join(lines)


TakesBody = Callable[[bytes], Awaitable[Answer]]


class Handler(Protocol):
    """What answers requests. No method raises but for a cancellation."""

    max_body_bytes: int
    room: Room

    def begin(self, head: Head) -> TakesBody | Answer:
        """What is to be given the body, or the answer to a request whose body nobody wants."""

    def too_large(self, head: Head) -> Answer:
        """The answer to a body of more than ``max_body_bytes``."""

    def no_room(self, head: Head) -> Answer:
        """The answer to a body for which there is no room beside those of others."""

    def too_many(self) -> Answer:
        """The answer to a client for which there are too many others; nothing is read of it."""


class Connection(asyncio.Protocol):
    """One client; requests that come before the one in hand is answered wait their turn."""

    def __init__(
        self,
        handler: Handler,
        connections: set[Connection],
        tasks: set[asyncio.Task[None]],
        default_headers: Callable[[], Headers],
        idle_timeout_s: float,
        max_connections: float = math.inf,
    ) -> None:
        """``connections`` and ``tasks`` are those of the server, which asks them to end when it ends."""
        self._max_connections = max_connections
        self._handler = handler
        self._connections = connections
        self._tasks = tasks
        self._default_headers = default_headers
        self._idle_timeout_s = idle_timeout_s
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[TakesBody | Answer, bytes, Head, bool]] = deque()
        self._busy = False
        self._stuck = False
        self._ending = False
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # the name that uvicorn gives it
        self._heard_at_s = self._loop.time()
        self._timer = self._loop.call_later(self._idle_timeout_s, self._close_if_idle)
        if len(self._connections) < self._max_connections:
            self._connections.add(self)
        else:
            self._close_with(self._handler.too_many())

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what it sent whole is kept all the same."""
        self._connections.discard(self)
        self._timer.cancel()
        self._drop_parts()
        for _, body, _, _ in self._waiting:
            self._handler.room.give_back(len(body))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._heard_at_s = self._loop.time()
        try:
            headers = self._headers
            self._parser.feed_data(data)
            if self._takes is None and self._headers is headers:
                # It goes on, and the parser keeps each header until that is whole.
                self._head_bytes += len(data)
                if self._head_bytes > _MAX_HEAD_BYTES:
                    self._refuse_bytes()
        except httptools.HttpParserUpgrade as upgrade:
            # The parser leaves the body to another protocol. None is spoken here, and the client goes on in this one.
            if self._parser.get_method() == b"CONNECT":
                self._refuse_bytes()
                return
            head = self._without_upgrade()
            self._parser = httptools.HttpRequestParser(self)
            self.data_received(head + data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse_bytes()

    def pause_writing(self) -> None:
        """The client does not read its answers: it gets no more of them."""
        self._stuck = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stuck = False
        self._read_on()

    def shutdown(self) -> None:
        """Take no more requests, answer the one in hand, and close."""
        self._ending = True
        if not self._busy:
            self.transport.close()

    # What the parser calls, in this order.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._head_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes | bytearray] = []
        self._body_bytes = 0
        self._takes: TakesBody | Answer | None = None

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """Decide who takes the body."""
        if self._parser.should_upgrade():
            return
        self._head = Head(self._parser.get_method(), _path_in(self._url), self._headers)
        self._takes = self._handler.begin(self._head)
        if isinstance(self._takes, Answer):
            # Who still writes a body may wait for this before it does, or may read it before it has.
            self._take_turn(self._takes, b"")
        elif self._headers.get(b"expect", b"").lower() == b"100-continue" and not self._busy:
            self.transport.write(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        """A piece of the body: what is a little too large is read to its end before it is refused."""
        if isinstance(self._takes, Answer):
            return
        self._body_bytes += len(part)
        if self._body_bytes <= self._handler.max_body_bytes:
            if self._handler.room.take(len(part), self._body_bytes - len(part)):
                self._keep(part)
            else:
                self._refuse_body(self._handler.no_room)
        elif self._body_bytes > 2 * self._handler.max_body_bytes:
            self._refuse_body(self._handler.too_large)
        else:
            self._drop_parts()

    def _keep(self, part: bytes) -> None:
        # Each object takes some forty bytes more: of a body in chunks of two there would be twenty times as much.
        last = self._parts[-1] if self._parts and len(part) < _SMALL_PART_BYTES else None
        if isinstance(last, bytearray):
            last += part
        else:
            self._parts.append(part if last is None else bytearray(part))

    def on_message_complete(self) -> None:
        """The request is whole."""
        if isinstance(self._takes, Answer):
            return
        if self._body_bytes > self._handler.max_body_bytes:
            self._refuse_body(self._handler.too_large)
        elif self._takes is not None:
            parts, self._parts = self._parts, []
            self._take_turn(self._takes, bytes(parts[0]) if len(parts) == 1 else b"".join(parts))

    def _without_upgrade(self) -> bytes:
        """The head of the request in hand, as of a client that offers no other protocol."""
        lines = [b"%b %b HTTP/1.1" % (self._parser.get_method(), self._url)]
        lines += [b"%b: %b" % pair for pair in self._headers.items() if pair[0] not in (b"upgrade", b"connection")]
        return b"\r\n".join((*lines, b"", b""))

    def _refuse_body(self, why: Callable[[Head], Answer]) -> None:
        self._drop_parts()
        self._takes = why(self._head)
        self._take_turn(self._takes, b"")

    def _drop_parts(self) -> None:
        self._handler.room.give_back(sum(map(len, self._parts)))
        self._parts.clear()

    def _refuse_bytes(self) -> None:
        """The answer to what is no HTTP; after it nothing can be understood any more."""
        if self._busy:
            self._ending = True
            self.transport.pause_reading()
            return
        self._close_with(Answer(400, "text/plain; charset=utf-8", b"This is no HTTP/1.1 request."))

    def _close_with(self, answer: Answer) -> None:
        self.transport.write(answer.encode(self._default_headers(), with_body=True, closes=True))
        self.transport.close()

    def _take_turn(self, takes: TakesBody | Answer, body: bytes) -> None:
        keeps = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        self._waiting.append((takes, body, self._head, keeps))
        if self._busy:
            self.transport.pause_reading()
        else:
            self._answer_waiting()

    def _answer_waiting(self) -> None:
        while self._waiting and not self._busy and not self.transport.is_closing():
            takes, body, head, keeps = self._waiting.popleft()
            if isinstance(takes, Answer):
                self._write(takes, head, keeps)
                continue
            self._busy = True
            task = self._loop.create_task(self._answer(takes, body, head, keeps))
            # The loop itself holds tasks weakly.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, takes: TakesBody, body: bytes, head: Head, keeps: bool) -> None:
        try:
            answer = await takes(body)
        except BaseException:
            self.transport.close()
            raise
        finally:
            self._handler.room.give_back(len(body))
        self._busy = False
        self._write(answer, head, keeps)
        if self._waiting:
            self._answer_waiting()
            self._read_on()

    def _write(self, answer: Answer, head: Head, keeps: bool) -> None:
        if self.transport.is_closing():
            return
        closes = self._ending or not keeps
        with_body = head.method != b"HEAD"
        self.transport.write(answer.encode(self._default_headers(), with_body=with_body, closes=closes))
        self._heard_at_s = self._loop.time()
        if closes:
            self.transport.close()

    def _read_on(self) -> None:
        if not self._waiting and not self._stuck and not self._ending and not self.transport.is_closing():
            self.transport.resume_reading()

    def _close_if_idle(self) -> None:
        left_s = self._heard_at_s + self._idle_timeout_s - self._loop.time()
        if left_s <= 0 and not self._busy:
            self.transport.close()
        else:
            self._timer = self._loop.call_later(max(left_s, 1.0), self._close_if_idle)


def _path_in(target: bytes) -> bytes:
    """The path of a request's target, which may be a whole URL; '' where there is none."""
    if not target.startswith(b"/"):
        try:
            return httptools.parse_url(target).path or b""
        except httptools.HttpParserInvalidURLError:
            return b""
    return target.partition(b"?")[0]
