"""What a receiver and the collector say to each other arrives as it was said."""

from __future__ import annotations

import asyncio
import socket

import pytest

from spanledger_collector.errors import RetryableError
from spanledger_collector.journal.entry import Request
from spanledger_collector.journal.errors import JournalUnavailableError
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receivers.channel import Channel, Frame, Kind, parts_of, refusal, refused_by, request_in


async def channels() -> tuple[Channel, Channel]:
    """Both ends."""
    one, other = socket.socketpair()
    return await Channel.over(one), await Channel.over(other)


async def test_frames_arrive_whole_and_in_order() -> None:
    """Empty bodies, and one larger than any buffer on the way, come as they were sent; then the end is seen."""
    one, other = await channels()
    sent = [
        Frame(Kind.LISTENING, 0, b""),
        Frame(Kind.REQUEST, 2**40, b"x" * 20_000_000),
        Frame(Kind.ANSWER, 7, b"no"),
    ]

    async def send() -> None:
        for frame in sent:
            await one.send(frame.kind, frame.number, frame.body)
        one.close()

    sending = asyncio.create_task(send())
    assert [frame async for frame in other.frames()] == sent
    await sending
    other.close()


async def test_sending_to_a_process_that_is_gone_says_so() -> None:
    """A dead peer is an error for who sends, and the end for who listens; neither waits for ever."""
    one, other = await channels()
    other.close()
    assert [frame async for frame in one.frames()] == []
    with pytest.raises(ConnectionError):
        for _ in range(3):
            await one.send(Kind.STOP)
    one.close()


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_a_request_is_the_same_on_the_other_side(signal: str) -> None:
    """Signal, number of spans and body survive the way."""
    request = Request(signal, 4_000_000_000, b"\x00body\xff")  # type: ignore[arg-type]
    assert request_in(b"".join(parts_of(request))) == request


@pytest.mark.parametrize(
    ("error", "arrives"),
    [(QueueFullError("full", 5.0), QueueFullError), (JournalUnavailableError("x"), RetryableError)],
)
def test_a_refusal_keeps_its_words_and_its_delay(error: RetryableError, arrives: type[RetryableError]) -> None:
    """A client behind a receiver is told the same as one before the collector itself."""
    told = refused_by(refusal(error))
    assert type(told) is arrives
    assert str(told) == str(error)
    assert getattr(told, "retry_after_s", None) == getattr(error, "retry_after_s", None)
