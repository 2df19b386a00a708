"""OTLP over gRPC: the Export method of the three services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc

from spanledger_collector.config import Certificate
from spanledger_collector.receive.address import bound_socket, unavailable
from spanledger_collector.receive.entrance import Entrance, Refusal, refusal_of
from spanledger_collector.receive.errors import TooLargeError
from spanledger_collector.receive.room import Room, no_room
from spanledger_collector.receive.signals import SIGNALS, protobuf_response_to
from spanledger_collector.receive.submit import Signal

_FLAG = "--otlp-grpc"
_Export = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcServer:
    """Serves OTLP/gRPC in the running loop.

    gzip is understood; ``max_request_bytes`` bounds a message before and after decompression. What is up to twice as
    large is read to be refused with the reason and counted; gRPC itself refuses more, and tells nobody.
    ``max_held_bytes`` bounds the messages that wait for an answer together.
    """

    def __init__(
        self,
        entrance: Entrance,
        host: str,
        port: int,
        *,
        max_request_bytes: int,
        max_held_bytes: int,
        certificate: Certificate | None = None,
        shared: bool = False,
    ) -> None:
        """A ``shared`` port is one that other processes of this collector serve as well."""
        self._entrance = entrance
        self._shared = shared
        self._certificate = certificate
        self._host = host
        self._max_request_bytes = max_request_bytes
        self._room = Room(max_held_bytes)
        self.port = port
        """The port asked for; after ``start`` the one that is served."""

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            AddressUnavailableError: the port is in use, or the host is not this machine's.
        """
        # gRPC tells no reason when it cannot listen; a socket of our own does.
        with bound_socket(self._host, self.port, _FLAG, shared=self._shared) as probe:
            host = probe.getsockname()[0]
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", 2 * self._max_request_bytes),
                # Else a second collector would share the port, and each would get a part of the spans.
                ("grpc.so_reuseport", int(self._shared)),
            ]
        )
        self._server.add_generic_rpc_handlers(
            tuple(_service(signal, self._entrance, self._room, self._max_request_bytes) for signal in SIGNALS)
        )
        address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        try:
            if self._certificate is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, _credentials(self._certificate))
        except RuntimeError:
            raise unavailable(self._host, self.port, _FLAG, "gRPC could not listen") from None
        await self._server.start()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more requests, and give those in flight ``grace_s`` seconds."""
        await self._server.stop(grace_s)


def _credentials(certificate: Certificate) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(certificate.key.read_bytes(), certificate.chain.read_bytes())])


def _service(signal: Signal, entrance: Entrance, room: Room, max_request_bytes: int) -> grpc.GenericRpcHandler:
    # Bytes in and out rather than the generated handlers: a request that does not parse gets INVALID_ARGUMENT
    # with the reason instead of gRPC's INTERNAL, and its size is known.
    method = grpc.unary_unary_rpc_method_handler(_export(signal, entrance, room, max_request_bytes))
    return grpc.method_handlers_generic_handler(SIGNALS[signal].service, {"Export": method})


def _export(signal: Signal, entrance: Entrance, room: Room, max_request_bytes: int) -> _Export:
    async def answer(body: bytes, authorization: str) -> bytes | Refusal:
        try:
            if len(body) > max_request_bytes:
                raise TooLargeError(max_request_bytes)
            grant = entrance.admit(authorization)
            if not room.take(len(body)):
                raise no_room()
            try:
                return protobuf_response_to(signal, await entrance.take(signal, body, grant, "grpc"))
            finally:
                room.give_back(len(body))
        except Exception as error:
            return refusal_of(error)

    async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        # A client that gives up cancels this call; what it sent goes on, and is counted as what becomes of it.
        answered = await asyncio.shield(answer(body, _authorization(context)))
        if isinstance(answered, bytes):
            return answered
        await context.abort(_STATUS_CODES[answered.code], answered.reason, _trailers(answered))
        raise AssertionError("abort raises")

    return export


def _authorization(context: grpc.aio.ServicerContext) -> str:
    return next((str(value) for key, value in context.invocation_metadata() or () if key == "authorization"), "")


def _trailers(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    details = ("grpc-status-details-bin", refusal.status().SerializeToString())
    if refusal.retry_after_s is None:
        return (details,)
    # The Python SDK's exporter looks for the delay in this trailer only.
    return (details, ("google.rpc.retryinfo-bin", refusal.retry_info().SerializeToString()))
