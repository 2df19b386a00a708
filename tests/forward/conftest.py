"""A journal, the pipeline on the in-memory ledger, staging; and receivers that are real over loopback."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.config import Address
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.forward import Staging
from spanledger_collector.forward.target import Target, target_of
from spanledger_collector.journal import Bounds, Entry, Journal, OutgoingBounds, Request
from spanledger_collector.pipeline import Pipeline, leads_to_ledger
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.redact import Redaction
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import ExportRequest, InMemorySubmit, Received

CORPUS = Path(__file__).parents[1] / "corpus"
ROOMY = Bounds(max_bytes=10**9, max_age_s=3600, min_free_bytes=0)
START_NS = 1_767_225_600_000_000_000

Listen = Callable[..., Awaitable[OtlpServers]]


@cache
def catalogue() -> Catalogue:
    """The prices that ship."""
    return Catalogue.load()


class Chain:
    """What a collector with a target does between its entrances and the outbox, a batch at a time, without threads."""

    def __init__(self, folder: Path, ledger: MemoryLedger | None = None) -> None:
        self.ledger = ledger or MemoryLedger()
        self.now_s = 1_800_000_000.0
        self.folder = folder
        self.restart()

    def restart(
        self,
        *,
        max_bytes: float = math.inf,
        max_age_s: float = math.inf,
        min_free_bytes: int = 0,
        redaction: Redaction | None = None,
    ) -> None:
        """Begin again with what is on disk."""
        if hasattr(self, "journal"):
            self.journal.close()
        bounds = Bounds(ROOMY.max_bytes, ROOMY.max_age_s, min_free_bytes)
        self.journal = Journal(
            self.folder / "journal.db", bounds, lambda: self.now_s, OutgoingBounds(max_bytes, max_age_s)
        )
        self.outbox = self.journal.outbox
        self.was_on = self.outbox.is_on
        self.outbox.switch(on=True)
        self.staging = Staging(self.journal, redaction or Redaction())
        self._pipeline = Pipeline(self.ledger, catalogue())

    def receive(self, *requests: ExportRequest) -> None:
        """Write requests to the journal, as the intake does."""
        received = [Received("traces" if _is_traces(r) else "logs", r, r.ByteSize()) for r in requests]
        self.journal.append([Request.of(each) for each in received])

    def process(self) -> None:
        """Take one batch of what waits through the pipeline, and out of the journal."""
        entries = self.journal.read(max_spans=10**9, max_bytes=10**9)
        self.process_only(entries)
        self.journal.remove(entries)

    def process_only(self, entries: list[Entry]) -> None:
        """The same up to the moment before they leave the journal."""
        requests = [entry.request.parse() for entry in entries]
        settled = partial(self.staging.stage, entries, requests)
        self._pipeline.process([r for r in requests if leads_to_ledger(r)], settled)

    def send(self, *requests: ExportRequest) -> list[ExportRequest]:
        """A batch from its arrival to the outbox; returns what of it waits there now, and empties that."""
        self.receive(*requests)
        self.process()
        return self.outgoing()

    def outgoing(self) -> list[ExportRequest]:
        """What waits for the target, which is taken out."""
        found = []
        while entries := self.outbox.read(10**9):
            found += [entry.request.parse() for entry in entries]
            self.outbox.remove(entries)
        return found

    @property
    def cost_usd(self) -> Decimal:
        """The sum of the ledger."""
        return sum((call.cost_usd for call in self.ledger.calls() if call.cost_usd), Decimal(0))


def _is_traces(request: ExportRequest) -> bool:
    return isinstance(request, ExportTraceServiceRequest)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """In a fresh directory."""
    made = Chain(tmp_path)
    yield made
    made.journal.close()


def spans_of(requests: Iterable[ExportRequest]) -> list[Span]:
    """The spans in requests of spans, in their order."""
    return [
        span
        for request in requests
        if isinstance(request, ExportTraceServiceRequest)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(span: Span) -> dict[str, Any]:
    """Plain attributes by name."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in span.attributes}


def cost_usd(requests: Iterable[ExportRequest]) -> float:
    """What a back end that adds up the attribute finds."""
    return sum(attributes(span).get("spanledger.cost_usd", 0.0) for span in spans_of(requests))


def a_call(
    span_id: int = 2, *, scope: str = "spanledger", trace_id: int = 1, parent_id: int = 0, **more: Any
) -> ExportTraceServiceRequest:
    """One chat of a known price, with a response id; ``more`` are attributes, ``__`` in their names a dot."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = scope
    span = scope_spans.spans.add(
        trace_id=trace_id.to_bytes(16),
        span_id=span_id.to_bytes(8),
        parent_span_id=parent_id.to_bytes(8) if parent_id else b"",
        name="chat",
        start_time_unix_nano=START_NS,
        end_time_unix_nano=START_NS + 10**9,
    )
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.response.id": "chatcmpl-A1b2C3d4",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    } | {name.replace("__", "."): value for name, value in more.items()}
    for name, value in said.items():
        if value is not None:
            pair = span.attributes.add(key=name)
            setattr(pair.value, "int_value" if isinstance(value, int) else "string_value", value)
    return request


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts receivers on loopback, on ports of their own or on one given for HTTP; ended with the test."""
    running: list[OtlpServers] = []

    async def begin(submit: InMemorySubmit, http_port: int = 0, max_request_bytes: int = 10**7) -> OtlpServers:
        http, grpc = Address("127.0.0.1", http_port), Address("127.0.0.1", 0)
        servers = OtlpServers(
            Entrance(submit), grpc, http, max_request_bytes=max_request_bytes, max_pending_bytes=2**27, grace_s=0.1
        )
        await servers.start()
        running.append(servers)
        return servers

    yield begin
    for servers in running:
        await servers.stop()


def fill(chain: Chain, *span_ids: int) -> None:
    """Take calls of these span ids to the outbox, a batch each."""
    for span_id in span_ids:
        chain.receive(a_call(span_id, trace_id=span_id, gen_ai__response__id=f"chatcmpl-A1b2C3d4{span_id}"))
        chain.process()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread brings about."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the thread knows nothing of this loop
            await asyncio.sleep(0.01)


def target_at(servers: OtlpServers, scheme: str = "http", path: str = "") -> Target:
    """The target that sends there."""
    port = servers.http_port if scheme == "http" else servers.grpc_port
    return target_of(f"{scheme}://127.0.0.1:{port}{path}", {"x-key": "secret"}, timeout_s=5)
