"""HTTP/1.1 on the connection itself: whatever a client writes, in whatever pieces, it gets the answers in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from spanledger_collector.receive.connection import Answer, Connection, Head, TakesBody
from spanledger_collector.receive.room import Room

MAX_BODY_BYTES = 1000
MAX_HELD_BYTES = 2500


class Echo:
    """Answers with what it was sent; ``/refused`` before the body is read, ``/slow`` when it is told to."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self) -> None:
        self.room = Room(MAX_HELD_BYTES)
        self.may_answer = asyncio.Event()
        self.taken: list[bytes] = []

    def begin(self, head: Head) -> TakesBody | Answer:
        """See ``connection.Handler``."""
        if head.path == b"/refused":
            return Answer(403, "text/plain", b"refused", {"x-why": "because"})

        async def take(body: bytes) -> Answer:
            if head.path == b"/slow":
                await self.may_answer.wait()
            if head.path == b"/broken":
                raise asyncio.CancelledError
            self.taken.append(body)
            return Answer(200, "text/plain", b"%b %b:%b" % (head.method, head.path, body))

        return take

    def too_large(self, head: Head) -> Answer:
        """See ``connection.Handler``."""
        return Answer(413, "text/plain", b"too large")

    def no_room(self, head: Head) -> Answer:
        """See ``connection.Handler``."""
        return Answer(429, "text/plain", b"no room")

    def too_many(self) -> Answer:
        """See ``connection.Handler``."""
        return Answer(503, "text/plain", b"too many")


class Client:
    """A client's end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connections: set[Connection]
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.connections = connections
        """The other end."""

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            return int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def is_closed(self) -> bool:
        """Whether nothing comes any more."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:  # what it had written was not read
                return True


@pytest.fixture
def handler() -> Echo:
    """What answers."""
    return Echo()


@pytest.fixture
async def connect(handler: Echo) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Opens connections to a server over ``handler``."""
    servers: list[asyncio.Server] = []
    clients: list[Client] = []

    async def open_one(idle_timeout_s: float = 60) -> Client:
        connections: set[Connection] = set()
        tasks: set[asyncio.Task[None]] = set()
        date = ((b"date", b"today"),)
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(handler, connections, tasks, lambda: date, idle_timeout_s), "127.0.0.1", 0
        )
        servers.append(server)
        streams = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        client = Client(*streams, connections)
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.writer.close()
    for server in servers:
        server.close()


def post(path: str = "/", body: bytes = b"hello", headers: str = "") -> bytes:
    """A request as it goes over the wire."""
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


Connect = Callable[..., Awaitable[Client]]


async def test_a_request_in_pieces_of_a_byte_is_one_request(connect: Connect) -> None:
    """However the bytes arrive, the request is whole before it is answered, and the connection goes on."""
    client = await connect()
    for _ in range(2):
        for byte in post("/v1?x=1", headers="Authorization: first\r\nauthorization: second\r\n"):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"POST /v1:hello")
        assert headers == {"date": "today", "content-type": "text/plain", "content-length": "14"}


async def test_requests_at_once_are_answered_in_their_order(connect: Connect, handler: Echo) -> None:
    """The second waits for the slow first, refusals do too, and nothing of them is lost."""
    client = await connect()
    client.writer.write(post("/slow", b"1") + post("/refused", b"2") + post("/", b"3") * 2000 + post("/slow", b"4"))
    await asyncio.sleep(0.05)
    assert handler.taken == []
    handler.may_answer.set()
    answers = [await client.answer() for _ in range(2003)]
    assert [status for status, _, _ in answers] == [200, 403] + [200] * 2001
    assert (answers[0][2], answers[-1][2]) == (b"POST /slow:1", b"POST /slow:4")
    assert handler.taken == [b"1", *[b"3"] * 2000, b"4"]


async def test_thousands_of_refused_requests_at_once(connect: Connect, handler: Echo) -> None:
    """Answers that need no work do not pile up on the stack."""
    client = await connect()
    client.writer.write(post("/slow", b"") + post("/refused", b"") * 5000)
    await asyncio.sleep(0.05)
    handler.may_answer.set()
    assert [(await client.answer())[0] for _ in range(5001)] == [200] + [403] * 5000


async def test_a_refusal_does_not_wait_for_the_body(connect: Connect, handler: Echo) -> None:
    """Who may not send is told so before the body; what still comes of it is skipped."""
    client = await connect()
    whole = post("/refused", b"x" * 5000)
    client.writer.write(whole[:200])
    status, headers, body = await client.answer()
    assert (status, headers["x-why"], body) == (403, "because", b"refused")
    client.writer.write(whole[200:] + post())
    assert (await client.answer())[2] == b"POST /:hello"
    assert handler.taken == [b"hello"]


@pytest.mark.parametrize("size_bytes", [MAX_BODY_BYTES + 1, 2 * MAX_BODY_BYTES, 10 * MAX_BODY_BYTES])
async def test_a_body_over_the_limit_is_refused_once(size_bytes: int, connect: Connect, handler: Echo) -> None:
    """There is one answer, nothing of the body is kept, and the next request is served."""
    client = await connect()
    client.writer.write(post("/", bytes(size_bytes)) + post("/", bytes(MAX_BODY_BYTES)))
    assert (await client.answer())[0] == 413
    assert (await client.answer())[0] == 200
    assert handler.taken == [bytes(MAX_BODY_BYTES)]


async def test_bodies_under_way_are_bounded_together(connect: Connect, handler: Echo) -> None:
    """Who begins one more than there is room for is told to slow down; what ends, in whatever way, makes room again."""
    begun = [await connect() for _ in range(2)]
    for client in begun:
        client.writer.write(post("/", bytes(MAX_BODY_BYTES))[:-1])
    await asyncio.sleep(0.05)
    other = await connect()
    other.writer.write(post("/", bytes(MAX_BODY_BYTES)) + post("/", bytes(10)))
    assert [(await other.answer())[0] for _ in range(2)] == [429, 200]
    for client in begun:
        client.writer.close()
    await asyncio.sleep(0.05)
    for path in ("/slow", "/"):
        other.writer.write(post(path, bytes(MAX_BODY_BYTES)))
        handler.may_answer.set()
        assert (await other.answer())[0] == 200
    assert handler.room.take(MAX_HELD_BYTES)
    assert not handler.room.take(1)
    assert handler.room.take(1, MAX_HELD_BYTES)


async def test_a_body_in_small_pieces_takes_no_more_than_its_bytes(connect: Connect, handler: Echo) -> None:
    """Chunks of a byte or two are one body, and two objects while it comes."""
    client = await connect()
    pieces = [b"%d" % number for number in range(90)] + [b"x" * 500, b"end"]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    client.writer.write(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(chunks[:-1]))
    await asyncio.sleep(0.05)
    (connection,) = client.connections
    assert list(map(bytes, connection._parts)) == [b"0", b"".join(pieces[1:-1])]
    client.writer.write(chunks[-1] + b"0\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert handler.taken == [b"".join(pieces)]


async def test_clients_beyond_the_limit_are_told_and_let_go(handler: Echo) -> None:
    """The one too many gets an answer without a question; when another has gone, the next gets in."""
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(handler, connections, set(), lambda: (), 60, max_connections=2), "127.0.0.1", 0
    )

    async def come() -> Client:
        return Client(*await asyncio.open_connection(*server.sockets[0].getsockname()), connections)

    first, second, third = [await come() for _ in range(3)]
    status, headers, body = await third.answer()
    assert (status, headers["connection"], body) == (503, "close", b"too many")
    assert await third.is_closed()
    first.writer.close()
    while len(connections) > 1:  # noqa: ASYNC110 - no event tells of a connection that ends
        await asyncio.sleep(0.01)
    fourth = await come()
    for client in (second, fourth):
        client.writer.write(post())
        assert (await client.answer())[0] == 200
        client.writer.close()
    server.close()


async def test_who_asks_whether_to_go_on_is_told_so(connect: Connect) -> None:
    """Curl waits for it before a large body; with a refusal it needs none."""
    client = await connect()
    client.writer.write(post("/", b"", "expect: 100-continue\r\n").replace(b"length: 0", b"length: 5"))
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.writer.write(b"hello")
    assert (await client.answer())[2] == b"POST /:hello"
    client.writer.write(post("/refused", b"", "expect: 100-continue\r\n").replace(b"length: 0", b"length: 5"))
    assert (await client.answer())[0] == 403


@pytest.mark.parametrize(
    "rubbish",
    [
        b"my secret prompt\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nx: " + b"y" * 1_000_000,
        b"POST /" + b"y" * 1_000_000,
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"CONNECT elsewhere:443 HTTP/1.1\r\n\r\n",
    ],
    ids=["text", "negative length", "TLS", "endless header", "endless target", "two lengths", "proxy"],
)
async def test_what_is_no_http_ends_the_connection(rubbish: bytes, connect: Connect, handler: Echo) -> None:
    """A 400 that quotes nothing, and the end; a head of any size takes no memory."""
    client = await connect()
    client.writer.write(rubbish)
    status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert b"secret" not in body
    assert await client.is_closed()
    assert handler.taken == []


async def test_rubbish_after_a_request_does_not_cost_its_answer(connect: Connect, handler: Echo) -> None:
    """What was taken is answered before the connection ends."""
    client = await connect()
    client.writer.write(post("/slow") + b"\x00\x00")
    await asyncio.sleep(0.05)
    handler.may_answer.set()
    assert (await client.answer())[0] == 200
    assert await client.is_closed()


@pytest.mark.parametrize(
    ("request_bytes", "closes"),
    [
        (b"POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi", True),
        (post("/", b"hi", "connection: close\r\n"), True),
        (post("/", b"hi", "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"), False),
        (post("http://collector:4318/", b"hi"), False),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", False),
    ],
    ids=["HTTP/1.0", "close", "upgrade", "whole URL", "chunked"],
)
async def test_other_forms_of_a_request(request_bytes: bytes, closes: bool, connect: Connect) -> None:
    """Old clients, those that offer another protocol, and those that go through a proxy are served like any other."""
    client = await connect()
    client.writer.write(request_bytes)
    status, headers, body = await client.answer()
    assert (status, body) == (200, b"POST /:hi")
    assert (headers.get("connection") == "close") == closes
    if closes:
        assert await client.is_closed()
    else:
        client.writer.write(post())
        assert (await client.answer())[2] == b"POST /:hello"


async def test_an_answer_to_head_has_no_body(connect: Connect) -> None:
    """Its length is told all the same."""
    client = await connect()
    client.writer.write(b"HEAD /refused HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"content-length: 7" in await client.reader.readuntil(b"\r\n\r\n")
    client.writer.write(post())
    assert (await client.answer())[2] == b"POST /:hello"


async def test_who_says_nothing_for_long_is_let_go(connect: Connect, handler: Echo) -> None:
    """An idle connection ends; one whose request is being worked on does not."""
    client = await connect(idle_timeout_s=0.05)
    assert await client.is_closed()
    busy = await connect(idle_timeout_s=0.05)
    busy.writer.write(post("/slow"))
    await asyncio.sleep(0.2)
    handler.may_answer.set()
    assert (await busy.answer())[0] == 200


async def test_a_stop_answers_what_is_in_hand_and_ends_the_rest(connect: Connect, handler: Echo) -> None:
    """The server's stop closes the idle at once, and the busy with its answer."""
    idle, busy = await connect(), await connect()
    busy.writer.write(post("/slow"))
    await asyncio.sleep(0.05)
    for client in (idle, busy):
        for connection in client.connections:  # type: ignore[attr-defined]
            connection.shutdown()
    assert await idle.is_closed()
    handler.may_answer.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (200, "close")


async def test_work_that_is_given_up_closes_the_connection(connect: Connect) -> None:
    """Without an answer to give there is an end, and the client sends again."""
    client = await connect()
    client.writer.write(post("/broken"))
    assert await client.is_closed()


async def test_a_client_that_reads_no_answers_is_read_no_more(connect: Connect, handler: Echo) -> None:
    """Its answers do not fill the memory."""
    client = await connect()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    sent = 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            while True:
                client.writer.write(post("/", bytes(900)) * 100)
                sent += 100
                await client.writer.drain()
    assert len(handler.taken) < sent
    assert len(handler.taken) < 20_000
