"""The receivers of a collector: started, heard, started again when one dies, and stopped."""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import socket
import traceback
from contextlib import suppress
from multiprocessing.process import BaseProcess

from spanledger_collector.access import Access
from spanledger_collector.config import Address, Settings
from spanledger_collector.errors import PermanentError, RetryableError
from spanledger_collector.journal.intake import Intake
from spanledger_collector.journal.keeping import Wanted
from spanledger_collector.receive.address import bound_socket, listening_socket
from spanledger_collector.receivers.channel import Channel, Frame, Kind, refusal, request_in
from spanledger_collector.receivers.counts import SharedRegistry, from_bytes
from spanledger_collector.receivers.process import Start, main

_log = logging.getLogger(__name__)

_START_TIMEOUT_S = 60.0
_AGAIN_AFTER_S = 1.0
_STOP_TIMEOUT_S = 15.0
"""More than the grace that servers give to what is in flight."""


class Receivers:
    """``OtlpServers`` in as many processes as ``settings.receivers`` says, in front of ``intake``."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        intake: Intake,
        wanted: Wanted,
        registry: SharedRegistry,
    ) -> None:
        """``wanted`` must be a function of a module; ``registry`` is told what the receivers count."""
        self._settings = settings
        self._access = access
        self._intake = intake
        self._wanted = wanted
        self._registry = registry
        self._grpc = Address.parse(settings.otlp_grpc)
        self._http = Address.parse(settings.otlp_http)
        self._numbers = itertools.count()
        self._attending: list[asyncio.Task[None]] = []
        self._keeping: set[asyncio.Task[None]] = set()
        self._open: set[Channel] = set()
        self._ready: set[Channel] = set()
        self._all_ready = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def all_listen(self) -> bool:
        """Whether every receiver takes requests."""
        return len(self._ready) == self._settings.receivers

    @property
    def grpc_port(self) -> int:
        """The port of OTLP/gRPC; the real one after ``start``."""
        return self._grpc.port

    @property
    def http_port(self) -> int:
        """The port of OTLP/HTTP; the real one after ``start``."""
        return self._http.port

    async def start(self) -> None:
        """Start all, and wait until they listen.

        Raises:
            AddressUnavailableError: one of the addresses cannot be listened on.
            PermanentError: a receiver does not start.
        """
        # Nobody else may have the port of gRPC before it is shared, and nobody but receivers afterwards.
        with bound_socket(self._grpc.host, self._grpc.port, "--otlp-grpc") as probe:
            self._grpc = Address(self._grpc.host, probe.getsockname()[1])
        self._reserved = bound_socket(self._grpc.host, self._grpc.port, "--otlp-grpc", shared=True)
        try:
            self._listening = listening_socket(self._http.host, self._http.port, "--otlp-http")
        except BaseException:
            self._reserved.close()
            raise
        self._http = Address(self._http.host, self._listening.getsockname()[1])
        self._attending = [asyncio.create_task(self._attend()) for _ in range(self._settings.receivers)]
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._all_ready.wait()
        except TimeoutError:
            await self.stop()
            raise PermanentError(
                "the receivers do not start; the log says why, and receivers: 0 does without them"
            ) from None

    async def stop(self) -> None:
        """Have them take no more requests and finish those in flight, and wait for their end."""
        self._stopping.set()
        await asyncio.gather(*map(_tell_to_stop, self._open))
        await asyncio.gather(*self._attending)
        self._listening.close()
        self._reserved.close()

    async def _attend(self) -> None:
        """Have a receiver run until ``stop``: one after the other, should they die."""
        while not self._stopping.is_set():
            ours, its = socket.socketpair()
            process = await asyncio.to_thread(self._started, its)
            channel = await Channel.over(ours)
            self._open.add(channel)
            if self._stopping.is_set():
                await _tell_to_stop(channel)
            number = next(self._numbers)
            async for frame in channel.frames():
                self._hear(channel, number, frame)
            self._open.discard(channel)
            self._ready.discard(channel)
            channel.close()
            await asyncio.to_thread(_wait_for, process)
            if not self._stopping.is_set():
                _log.error("a receiver has ended (exit code %s); another is started", process.exitcode)
                await asyncio.sleep(_AGAIN_AFTER_S)

    def _started(self, its: socket.socket) -> BaseProcess:
        start = Start(
            self._settings, self._wanted, dict(self._access.issued), self._grpc, self._http, self._listening, its
        )
        # A new interpreter: chDB is open in this one, and would hang in a fork of it.
        process = multiprocessing.get_context("spawn").Process(target=main, args=(start,), name="receiver", daemon=True)
        with its:
            process.start()
        return process

    def _hear(self, channel: Channel, number: int, frame: Frame) -> None:
        match frame.kind:
            case Kind.LISTENING:
                self._ready.add(channel)
                if self.all_listen:
                    self._all_ready.set()
            case Kind.REQUEST:
                keeping = asyncio.create_task(self._keep(channel, frame))
                # The loop itself holds tasks weakly.
                self._keeping.add(keeping)
                keeping.add_done_callback(self._keeping.discard)
            case Kind.COUNTS:
                self._registry.hear(number, from_bytes(frame.body))

    async def _keep(self, channel: Channel, frame: Frame) -> None:
        answer = b""
        try:
            await self._intake.keep(request_in(frame.body))
        except RetryableError as error:
            answer = refusal(error)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("a request failed with %s at %s:%s", type(error).__name__, place.filename, place.lineno)
            answer = refusal(RetryableError("the collector failed; its log says where"))
        # Without the receiver its clients are gone as well.
        with suppress(ConnectionError):
            await channel.send(Kind.ANSWER, frame.number, answer)


async def _tell_to_stop(channel: Channel) -> None:
    with suppress(ConnectionError):
        await channel.send(Kind.STOP)


def _wait_for(process: BaseProcess) -> None:
    process.join(_STOP_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        process.join()
