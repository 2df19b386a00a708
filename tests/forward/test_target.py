"""Another back end, real over loopback: our own entrances, on HTTP and gRPC, with a ``Submit`` that does as told."""

from __future__ import annotations

import asyncio

import pytest

from spanledger_collector.errors import BadInputError, RetryableError
from spanledger_collector.forward.errors import SignalNotTakenError, TargetNotNowError, TargetRefusedError
from spanledger_collector.forward.target import target_of
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.submit import InMemorySubmit, Outcome

from .conftest import Listen, a_call, target_at

SCHEMES = pytest.mark.parametrize("scheme", ["http", "grpc"])
ONE_SPAN = a_call().SerializeToString()


@SCHEMES
async def test_what_is_sent_arrives_and_two_bodies_joined_are_one_request(listen: Listen, scheme: str) -> None:
    """Requests are joined by joining their bytes, which is what protobuf promises of repeated fields."""
    submit = InMemorySubmit()
    target = target_at(await listen(submit), scheme)
    assert await asyncio.to_thread(target.send, "traces", ONE_SPAN * 2) == 0
    assert [received.spans for received in submit.requests] == [2]


@SCHEMES
async def test_a_partial_success_is_counted(listen: Listen, scheme: str) -> None:
    """What the target rejected for good is told as a number."""
    target = target_at(await listen(InMemorySubmit(outcome=Outcome(3, "the prompt itself"))), scheme)
    assert await asyncio.to_thread(target.send, "traces", ONE_SPAN) == 3


@SCHEMES
@pytest.mark.parametrize(
    ("failure", "expected", "pause_s"),
    [
        (QueueFullError("full", 7.0), TargetNotNowError, 7.0),
        (QueueFullError("full", 86400.0), TargetNotNowError, 300.0),
        (BadInputError("the prompt itself"), TargetRefusedError, None),
    ],
)
async def test_a_refusal_is_of_the_right_kind(
    listen: Listen, scheme: str, failure: Exception, expected: type[Exception], pause_s: float | None
) -> None:
    """Patience is asked for in seconds, up to a bound; nothing of what the target said is quoted."""
    target = target_at(await listen(InMemorySubmit([failure])), scheme)
    with pytest.raises(expected) as refusal:
        await asyncio.to_thread(target.send, "traces", ONE_SPAN)
    assert getattr(refusal.value, "asked_pause_s", None) == pause_s
    assert "prompt" not in str(refusal.value)
    assert isinstance(refusal.value, RetryableError) == (pause_s is not None)


async def test_a_target_without_the_entrance_says_so_and_one_that_is_gone_may_come_back(listen: Listen) -> None:
    """No entrance is for good and for the whole signal; nobody at the address is for now."""
    servers = await listen(InMemorySubmit())
    with pytest.raises(SignalNotTakenError, match="HTTP 404"):
        await asyncio.to_thread(target_at(servers, path="/other").send, "logs", b"")
    await servers.stop()
    for scheme in ("http", "grpc"):
        with pytest.raises(TargetNotNowError):
            await asyncio.to_thread(target_at(servers, scheme).send, "traces", b"")


async def test_the_headers_go_with_each_request() -> None:
    """A key in ``forward.headers`` reaches the other back end, beside the path of its base address."""
    seen = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        target = target_of(f"http://127.0.0.1:{port}/base/", {"X-Key": "secret"}, timeout_s=5)
        assert await asyncio.to_thread(target.send, "traces", ONE_SPAN) == 0
    head = seen.decode().lower()
    assert head.startswith("post /base/v1/traces ")
    assert "x-key: secret" in head
