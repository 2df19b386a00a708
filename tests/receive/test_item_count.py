"""Requests of millions of items with nothing in them: refused before memory is taken for them."""

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from spanledger_collector.access import EVERYONE
from spanledger_collector.config import Address
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.errors import TooManyItemsError
from spanledger_collector.receive.item_count import check_item_count
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import CleanSpans, InMemorySubmit, Outcome, Received

from .conftest import START_NS

SIZE_BYTES = 2 * 1024 * 1024


def message(tag: bytes, body: bytes) -> bytes:
    """A field of protobuf that holds so many bytes."""
    size, length = len(body), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return tag + length + bytes([size]) + body


EMPTY = {
    "resources": b"\x0a\x00" * (SIZE_BYTES // 2),
    "scopes": message(b"\x0a", b"\x12\x00" * (SIZE_BYTES // 2)),
    "items": message(b"\x0a", message(b"\x12", b"\x12\x00" * (SIZE_BYTES // 2))),
    "items of one byte": message(b"\x0a", message(b"\x12", b"\x12\x01\x00" * (SIZE_BYTES // 3))),
    "tags in more bytes": message(b"\x0a", message(b"\x92\x00", b"\x92\x80\x00\x00" * (SIZE_BYTES // 4))),
    "items in a group": message(b"\x0a", message(b"\x12", b"\x7b" + b"\x12\x00" * (SIZE_BYTES // 2) + b"\x7c")),
    "after other fields": b"\x78\x96\x01\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x0a\x00" * (SIZE_BYTES // 2),
}


@pytest.mark.parametrize("what", EMPTY)
async def test_items_without_anything_in_them_are_refused(what: str, twin: None) -> None:
    """At every level and however they are written, also by what the scan would let through."""
    with pytest.raises(TooManyItemsError, match="most have nothing in them"):
        await Entrance(InMemorySubmit()).take("traces", EMPTY[what], EVERYONE, "http")


def test_a_small_request_and_a_broken_one_are_left_to_the_parser() -> None:
    """What is small can be anything; what ends too early is told of as broken."""
    check_item_count(b"\x0a\x00" * 500_000)
    check_item_count(b"\x0a\xff\xff\xff\x0f" + bytes(SIZE_BYTES))
    check_item_count(b"\xff" * SIZE_BYTES)


def test_what_clients_send_passes(corpus: Path, make_request: Callable[..., ExportTraceServiceRequest]) -> None:
    """Real spans, the smallest valid ones and the shortest log records are within the limit, in any number."""
    for file in sorted(corpus.glob("*/*.bin")):
        body = file.read_bytes()
        check_item_count(body * (SIZE_BYTES // max(len(body), 1) + 1))
    smallest = make_request(*((b"\x01" * 16, b"\x02" * 8) for _ in range(60_000)), name="").SerializeToString()
    assert len(smallest) > SIZE_BYTES
    check_item_count(smallest)
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for _ in range(100_000):
        records.add(time_unix_nano=START_NS).body.string_value = "x"
    assert logs.ByteSize() > 1024 * 1024
    check_item_count(logs.SerializeToString())


@pytest.mark.parametrize("form", ["application/x-protobuf", "application/json"])
async def test_the_sender_is_told_and_it_is_counted(form: str, submit: InMemorySubmit) -> None:
    """A few kilobytes that would become gigabytes are refused for good over a real connection, in both encodings."""
    loopback = Address("127.0.0.1", 0)
    servers = OtlpServers(Entrance(submit), loopback, loopback, max_request_bytes=2**24, max_pending_bytes=2**27)
    await servers.start()
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 500_000}]}]}
    body = gzip.compress(EMPTY["items"] if form.endswith("protobuf") else json.dumps(document).encode())
    assert len(body) < 10_000
    before = REGISTRY.get_sample_value("spanledger_receiver_limits_hit_total", {"limit": "item_count"}) or 0.0
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{servers.http_port}/v1/traces",
            content=body,
            headers={"content-type": form, "content-encoding": "gzip"},
            timeout=60,
        )
    await servers.stop()
    assert answer.status_code == 400
    assert b"most have nothing in them" in answer.content
    assert REGISTRY.get_sample_value("spanledger_receiver_limits_hit_total", {"limit": "item_count"}) == before + 1
    assert submit.requests == []


class OneAfterTheOther(InMemorySubmit):
    """Finishes a large request when it is told to, and counts how many are there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.there = self.most = 0

    async def submit(self, request: Received | CleanSpans) -> Outcome:
        """Wait with it, then record it."""
        if isinstance(request, CleanSpans) or request.size_bytes < SIZE_BYTES:
            return await super().submit(request)
        self.there += 1
        self.most = max(self.most, self.there)
        self.entered.set()
        await self.may_finish.wait()
        self.there -= 1
        return await super().submit(request)


async def test_large_requests_become_messages_one_after_the_other() -> None:
    """What takes fifty times its bytes until it is written does so once; others are not kept waiting by it."""
    submit = OneAfterTheOther()
    loopback = Address("127.0.0.1", 0)
    servers = OtlpServers(Entrance(submit), loopback, loopback, max_request_bytes=2**24, max_pending_bytes=2**27)
    await servers.start()
    empty_events = message(b"\x0a", message(b"\x12", message(b"\x12", b"\x5a\x00" * (SIZE_BYTES // 2))))
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def post(body: bytes) -> int:
            url = f"http://127.0.0.1:{servers.http_port}/v1/traces"
            headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
            return (await client.post(url, content=gzip.compress(body), headers=headers)).status_code

        large = [asyncio.create_task(post(empty_events)) for _ in range(4)]
        await submit.entered.wait()
        assert await post(b"") == 200
        submit.may_finish.set()
        assert await asyncio.gather(*large) == [200] * 4
    await servers.stop()
    assert (submit.most, len(submit.requests)) == (1, 5)


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_what_bodies_become_counts_as_held(transport: str) -> None:
    """Of compressed requests that wait together no more are taken than there is room for what is in them."""
    slow = OneAfterTheOther()
    loopback = Address("127.0.0.1", 0)
    servers = OtlpServers(Entrance(slow), loopback, loopback, max_request_bytes=2**24, max_pending_bytes=3 * SIZE_BYTES)
    await servers.start()
    body = message(b"\x0a", message(b"\x12", message(b"\x12", b"\x5a\x00" * (SIZE_BYTES // 2))))
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{servers.grpc_port}", compression=grpc.Compression.Gzip) as channel,
    ):

        async def post() -> str:
            if transport == "http":
                url = f"http://127.0.0.1:{servers.http_port}/v1/traces"
                return str((await client.post(url, content=gzip.compress(body), headers=headers)).status_code)
            return (await channel.unary_unary(f"/{SIGNALS['traces'].service}/Export")(body).code()).name

        taken, refused = ("200", "429") if transport == "http" else ("OK", "RESOURCE_EXHAUSTED")
        sending = [asyncio.create_task(post()) for _ in range(5)]
        while sum(task.done() for task in sending) < 3:  # noqa: ASYNC110 - no event tells of answers
            await asyncio.sleep(0.01)
        slow.may_finish.set()
        assert sorted(await asyncio.gather(*sending)) == sorted([taken] * 2 + [refused] * 3)
        assert await post() == taken
    await servers.stop()
