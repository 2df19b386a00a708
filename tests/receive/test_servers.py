"""Starting, stopping and addresses."""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spanledger_collector.config import Address, Certificate
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.errors import AddressUnavailableError
from spanledger_collector.receive.serve import HttpServer, OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit, Outcome, Received

FREE = Address("127.0.0.1", 0)
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def occupied() -> Iterator[Address]:
    """An address on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield Address("127.0.0.1", taken.getsockname()[1])


class SlowSubmit(InMemorySubmit):
    """Finishes a request when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.may_finish = asyncio.Event()

    async def submit(self, request: Received) -> Outcome:
        """Wait, then record the request."""
        self.entered.set()
        await self.may_finish.wait()
        return await super().submit(request)


def make_servers(submit: InMemorySubmit, grpc: Address = FREE, http: Address = FREE, grace_s: float = 5) -> OtlpServers:
    """Entrances of the test's own, which it starts and stops."""
    return OtlpServers(Entrance(submit), grpc, http, max_request_bytes=1000, max_pending_bytes=2**27, grace_s=grace_s)


async def can_connect(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_port_zero_picks_free_ports_and_stop_frees_them(submit: InMemorySubmit) -> None:
    """Port 0 becomes two different ports that are served until the stop, and by nobody after it."""
    servers = make_servers(submit)
    await servers.start()
    ports = {servers.grpc_port, servers.http_port}
    assert len(ports - {0}) == 2
    assert [await can_connect(port) for port in ports] == [True, True]
    await servers.stop()
    assert [await can_connect(port) for port in ports] == [False, False]


@pytest.mark.parametrize("entrance", ["grpc", "http"])
async def test_a_port_in_use_names_the_port_and_the_flag(
    entrance: str, occupied: Address, submit: InMemorySubmit
) -> None:
    """The error tells the address, the reason and the flag; the other entrance is closed again."""
    servers = make_servers(submit, **{entrance: occupied})
    with pytest.raises(AddressUnavailableError) as caught:
        await servers.start()
    assert str(caught.value) == (
        f"cannot listen on {occupied}: another process listens there; "
        f"choose another address with --otlp-{entrance} HOST:PORT"
    )
    if entrance == "http":
        assert not await can_connect(servers.grpc_port)


@pytest.mark.parametrize("entrance", ["grpc", "http"])
async def test_an_address_of_another_machine_is_told(entrance: str, submit: InMemorySubmit) -> None:
    """A host that is not this machine's is an error with the reason of the operating system."""
    elsewhere = Address("192.0.2.1", 4317)
    with pytest.raises(AddressUnavailableError, match=r"cannot listen on 192\.0\.2\.1:4317: Cannot assign"):
        await make_servers(submit, **{entrance: elsewhere}).start()


async def test_a_second_collector_does_not_share_the_port(submit: InMemorySubmit) -> None:
    """GRPC would let two processes share a port, each with a part of the spans; here the second one fails."""
    first = make_servers(submit)
    await first.start()
    second = make_servers(InMemorySubmit(), grpc=Address("127.0.0.1", first.grpc_port))
    with pytest.raises(AddressUnavailableError):
        await second.start()
    await first.stop()


async def export_over_http(servers: OtlpServers) -> bool:
    """Send an empty request; tell whether it was a success."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{servers.http_port}/v1/traces"
        return (await client.post(url, headers=PROTOBUF)).status_code == 200


async def export_over_grpc(servers: OtlpServers) -> bool:
    """Send an empty request; tell whether it was a success."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{servers.grpc_port}") as channel:
        answer = await TraceServiceStub(channel).Export(ExportTraceServiceRequest())
        return not answer.HasField("partial_success")


@pytest.mark.parametrize("export", [export_over_http, export_over_grpc])
async def test_stop_finishes_the_request_in_flight(export: Callable[[OtlpServers], Awaitable[bool]]) -> None:
    """A request that is being stored when the stop comes is answered with success; nobody new gets in."""
    submit = SlowSubmit()
    servers = make_servers(submit)
    await servers.start()
    in_flight = asyncio.ensure_future(export(servers))
    await submit.entered.wait()
    stopping = asyncio.create_task(servers.stop())
    for port in (servers.grpc_port, servers.http_port):
        while await can_connect(port):  # noqa: ASYNC110 - no event tells of a closed port
            await asyncio.sleep(0.01)
    submit.may_finish.set()
    assert await in_flight
    await stopping
    assert len(submit.requests) == 1


async def test_stop_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A request that never ends is given up after the grace, and the log says so."""
    submit = SlowSubmit()
    servers = make_servers(submit, grace_s=0.1)
    await servers.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{servers.http_port}/v1/traces"
        in_flight = asyncio.create_task(client.post(url, headers=PROTOBUF))
        await submit.entered.wait()
        await servers.stop()
        with pytest.raises(httpx.HTTPError):
            (await in_flight).raise_for_status()
    assert submit.requests == []
    assert "Cancel 1 running task(s)" in caplog.text


async def test_any_app_is_served_beside_and_signals_are_left_alone(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The helper serves other apps too; it installs no signal handler and writes no access log."""

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = HttpServer(Starlette(routes=[Route("/", hello)]), "localhost", 0, flag="--api")
    await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/")
    await server.stop()
    assert answer.text == "hello"
    assert "server" not in answer.headers
    assert "GET /" not in caplog.text + "".join(capfd.readouterr())


async def test_a_stop_does_not_call_idle_clients_an_error(
    certificate: tuple[Path, Path], submit: InMemorySubmit, caplog: pytest.LogCaptureFixture
) -> None:
    """An exporter that keeps its TLS connection for the next export reads of the end of it only then."""
    chain, key = certificate
    shown = Certificate(chain=chain, key=key)
    server = OtlpServers(
        Entrance(submit), FREE, FREE, max_request_bytes=1000, max_pending_bytes=2**27, certificate=shown
    )
    await server.start()

    def export() -> ssl.SSLSocket:
        trusting = ssl.create_default_context(cafile=chain)
        client = socket.create_connection(("127.0.0.1", server.http_port))
        over_tls = trusting.wrap_socket(client, server_hostname="localhost")
        over_tls.sendall(
            b"POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
        )
        assert over_tls.recv(1000).startswith(b"HTTP/1.1 200 ")
        return over_tls

    with await asyncio.to_thread(export):
        await server.stop()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_stop_does_not_call_a_client_that_never_reads_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Who asked for much and reads none of it is cut off, once everybody else has an answer."""
    answered = asyncio.Event()

    async def much(request: Request) -> PlainTextResponse:
        answered.set()
        return PlainTextResponse("much" * 10_000_000)

    server = HttpServer(Starlette(routes=[Route("/", much)]), "127.0.0.1", 0, flag="--api")
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await answered.wait()
    await server.stop()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert len(await reader.read()) < 40_000_000
    writer.close()
