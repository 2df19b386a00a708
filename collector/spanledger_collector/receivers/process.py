"""A receiver: both OTLP entrances on ports that others share, in front of the collector's journal."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from spanledger_collector.access import Grant, load_access
from spanledger_collector.config import Address, Settings
from spanledger_collector.errors import RetryableError
from spanledger_collector.garbage import expect_batches
from spanledger_collector.journal.entry import Request
from spanledger_collector.journal.keeping import Keeping, Wanted
from spanledger_collector.logs import set_up_logging
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receivers.channel import Channel, Kind, parts_of, refused_by
from spanledger_collector.receivers.counts import counted, to_bytes

_COUNTS_EVERY_S = 1.0


@dataclass(slots=True, frozen=True)
class Start:
    """What a receiver is given; it is handed to a new process whole."""

    settings: Settings
    wanted: Wanted
    """A function of a module: the new process imports it."""
    issued: Mapping[bytes, Grant]
    """Tokens that the collector has made for itself."""
    grpc: Address
    http: Address
    listening: socket.socket
    """The socket of OTLP/HTTP."""
    end: socket.socket
    """Its end of the channel."""


def main(start: Start) -> None:
    """Receive until the collector says stop, or is gone."""
    # Ctrl-C reaches the whole group; the collector says when its receivers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logging(start.settings.log_format)
    asyncio.run(_receive(start))


class Relay(Keeping):
    """The ``Submit`` of a receiver: what it takes is kept by the collector."""

    def __init__(self, channel: Channel, wanted: Wanted) -> None:
        super().__init__(wanted)
        self._channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._alone = False

    async def keep(self, request: Request) -> None:
        """Have the collector write it to its journal.

        Raises:
            RetryableError: why it is not there; the collector's own refusal, or that it is gone.
        """
        if self._alone:
            raise _gone()
        number = next(self._numbers)
        kept = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._channel.send(Kind.REQUEST, number, *parts_of(request))
            await kept
        except ConnectionError:
            raise _gone() from None
        finally:
            del self._waiting[number]

    def answer(self, number: int, body: bytes) -> None:
        """The collector's word on a request."""
        kept = self._waiting.get(number)
        if kept is None or kept.done():
            return  # the client has given up
        if body:
            kept.set_exception(refused_by(body))
        else:
            kept.set_result(None)

    def give_up(self) -> None:
        """The collector is gone: nobody will answer."""
        self._alone = True
        for kept in self._waiting.values():
            if not kept.done():
                kept.set_exception(_gone())


def _gone() -> RetryableError:
    return RetryableError("the collector has ended; send the same again later")


async def _receive(start: Start) -> None:
    settings = start.settings
    channel = await Channel.over(start.end)
    relay = Relay(channel, start.wanted)
    access = load_access(settings.tokens)
    access.let_in(start.issued)
    servers = OtlpServers(
        Entrance(relay, access, Screen.of(settings)),
        start.grpc,
        start.http,
        max_request_bytes=settings.max_request_bytes,
        max_pending_bytes=settings.max_pending_bytes,
        certificate=settings.certificate,
        shared=start.listening,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    hearing = asyncio.create_task(_hear(channel, relay, stop))
    await servers.start()
    expect_batches()
    await channel.send(Kind.LISTENING)
    telling = asyncio.create_task(_tell_counts(channel))
    await stop.wait()
    # The collector still answers what is in flight.
    await servers.stop()
    telling.cancel()
    with suppress(ConnectionError):
        await channel.send(Kind.COUNTS, 0, to_bytes(counted()))
    channel.close()
    await hearing


async def _hear(channel: Channel, relay: Relay, stop: asyncio.Event) -> None:
    """Take the collector's words, until it is gone."""
    async for frame in channel.frames():
        if frame.kind is Kind.STOP:
            stop.set()
        else:
            relay.answer(frame.number, frame.body)
    relay.give_up()
    stop.set()


async def _tell_counts(channel: Channel) -> None:
    told = counted()
    while True:
        await asyncio.sleep(_COUNTS_EVERY_S)
        counts = counted()
        if counts != told:
            told = counts
            await channel.send(Kind.COUNTS, 0, to_bytes(counts))
