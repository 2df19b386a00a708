"""Servers in the running loop: any ASGI app over HTTP, and the two OTLP entrances together."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from spanledger_collector.config import Address, Certificate
from spanledger_collector.open_files import most_open_files
from spanledger_collector.receive.address import listening_socket
from spanledger_collector.receive.connection import Connection, Handler
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.grpc import GrpcServer
from spanledger_collector.receive.http import OtlpHandler

# Longer than the minute at which SDKs send metrics, so that connections live from one export to the next.
_KEEP_ALIVE_S = 75
_BACKLOG = 2048
_FAREWELL_S = 1.0
"""What clients get to read the last answer and close, when a server stops."""


class HttpServer:
    """Serves an ASGI app in the running loop: no signal handlers, no access log, no lifespan events."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        flag: str,
        certificate: Certificate | None = None,
        grace_s: float = 5.0,
        listening: socket.socket | None = None,
        handler: Handler | None = None,
    ) -> None:
        """``flag`` is the option that changes the address; ``grace_s`` is what ``stop`` waits for at most.

        A socket that is ``listening`` already takes the place of host and port, a ``handler`` that of ``app``.
        """
        self._listening = listening
        self._host = host
        self._flag = flag
        self.port = port
        """The port asked for; after ``start`` the one that is served."""
        config = uvicorn.Config(
            app,
            http="httptools" if handler is None else partial(_connection, handler),  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            # As many are accepted at once, before any of them can be refused.
            backlog=min(_BACKLOG, most_open_files() // 16),
            timeout_graceful_shutdown=grace_s,  # type: ignore[arg-type]  # passed on to asyncio, which takes fractions
            ssl_certfile=certificate.chain if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )
        self._server = _EmbeddedServer(config)

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            AddressUnavailableError: the port is in use, or the host is not this machine's.
        """
        listening = self._listening or listening_socket(self._host, self.port, self._flag)
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        started = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait({self._serving, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            started.cancel()
            self._serving.result()

    async def stop(self) -> None:
        """Accept no more connections, finish the requests in flight within the grace, then close."""
        self._server.should_exit = True
        await self._serving


def _connection(handler: Handler, config: uvicorn.Config, server_state: Any, **_: Any) -> Connection:
    """What uvicorn makes for each client, instead of its own protocol."""
    return Connection(
        handler,
        server_state.connections,
        server_state.tasks,
        lambda: server_state.default_headers,
        config.timeout_keep_alive,
        # The store needs files, too.
        most_open_files() // 2,
    )


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a handler answers")


class _EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone and says when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.create_task(self._cut_off_who_stays())
        await super().shutdown(sockets)
        cutting.cancel()

    async def _cut_off_who_stays(self) -> None:
        """End the connections that are left once everybody has an answer.

        One is not closed before its client has read all, over TLS not before the client has closed it, too. uvicorn
        would wait for such clients until the grace is over, and call that an error.
        """
        while tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks)
        await asyncio.sleep(min(_FAREWELL_S, (self.config.timeout_graceful_shutdown or math.inf) / 2))
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class OtlpServers:
    """OTLP/gRPC and OTLP/HTTP in front of one entrance."""

    def __init__(
        self,
        entrance: Entrance,
        grpc: Address,
        http: Address,
        *,
        max_request_bytes: int,
        max_pending_bytes: int,
        certificate: Certificate | None = None,
        grace_s: float = 5.0,
        shared: socket.socket | None = None,
    ) -> None:
        """With a ``certificate`` both speak TLS.

        With a ``shared`` listening socket for HTTP, other processes of this collector serve the same two ports.
        """
        self._grace_s = grace_s
        self._grpc = GrpcServer(
            entrance,
            grpc.host,
            grpc.port,
            max_request_bytes=max_request_bytes,
            max_held_bytes=max_pending_bytes,
            certificate=certificate,
            shared=shared is not None,
        )
        self._http = HttpServer(
            _no_app,
            http.host,
            http.port,
            flag="--otlp-http",
            certificate=certificate,
            grace_s=grace_s,
            listening=shared,
            handler=OtlpHandler(entrance, max_request_bytes, max_pending_bytes),
        )

    @property
    def all_listen(self) -> bool:
        """Whether all that is to listen does, between ``start`` and ``stop``."""
        return True

    @property
    def grpc_port(self) -> int:
        """The port of OTLP/gRPC; the real one after ``start``."""
        return self._grpc.port

    @property
    def http_port(self) -> int:
        """The port of OTLP/HTTP; the real one after ``start``."""
        return self._http.port

    async def start(self) -> None:
        """Start both, or neither.

        Raises:
            AddressUnavailableError: one of the addresses cannot be listened on.
        """
        await self._grpc.start()
        try:
            await self._http.start()
        except BaseException:
            await self._grpc.stop(0)
            raise

    async def stop(self) -> None:
        """Take no more requests, and finish those in flight within the grace."""
        await asyncio.gather(self._grpc.stop(self._grace_s), self._http.stop())
