"""What the entrances count of what came: by signal, by transport and by what became of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from prometheus_client import REGISTRY

from spanledger_collector.config import Address
from spanledger_collector.errors import PermanentError
from spanledger_collector.journal import Bounds, Intake, Journal
from spanledger_collector.pipeline import leads_to_ledger
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import InMemorySubmit, Signal

from .conftest import START_NS

FATES = ("accepted", "refused", "failed", "ignored")
CALL = {
    "event.name": "claude_code.api_request",
    "model": "claude-sonnet-4-5",
    "input_tokens": 10,
    "output_tokens": 3,
    "session.id": "one",
    "request_id": "req_1",
}


class Counted:
    """What has been counted over one transport since this was made."""

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        names = [f"{fate}_{items}" for fate in FATES for items in ("spans", "log_records", "metric_points")]
        labels = {"transport": self._transport}
        return {name: REGISTRY.get_sample_value(f"spanledger_receiver_{name}_total", labels) or 0.0 for name in names}

    def more(self) -> dict[str, float]:
        """What has grown, and by how much."""
        return {name: value - self._before[name] for name, value in self._now().items() if value > self._before[name]}


def logs(*records: dict[str, str | int], time_ns: int = START_NS) -> ExportLogsServiceRequest:
    """A log record for each of the attributes given, in two scopes."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    for number, attributes in enumerate(records):
        if number < 2:
            scope = resource.scope_logs.add()
        record = scope.log_records.add(time_unix_nano=time_ns)
        for key, value in attributes.items():
            typed = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
            record.attributes.append(KeyValue(key=key, value=typed))
    return request


def data_points() -> ExportMetricsServiceRequest:
    """Six points of four kinds of metrics, and a metric without any."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for kind in ("gauge", "sum", "histogram", "summary"):
        getattr(metrics.add(name=kind), kind).data_points.add()
    metrics[0].gauge.data_points.add()
    metrics[2].histogram.data_points.add()
    metrics.add(name="empty")
    return request


async def send(servers: OtlpServers, transport: str, signal: Signal, body: bytes) -> str:
    """Export over a real connection; the status that it is answered with."""
    kind = SIGNALS[signal]
    if transport == "http":
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{servers.http_port}{kind.path}"
            answer = await client.post(url, content=body, headers={"content-type": "application/x-protobuf"})
        return str(answer.status_code)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{servers.grpc_port}") as channel:
        call = channel.unary_unary(f"/{kind.service}/Export")(body)
        return (await call.code()).name


class SlowJournal(Journal):
    """Begins to write when it is told to."""

    entered: threading.Event
    may_write: threading.Event

    def append(self, requests: object) -> None:
        """Wait, then write."""
        self.entered.set()
        assert self.may_write.wait(30)
        super().append(requests)


@pytest.fixture
async def journalled(tmp_path: Path) -> AsyncIterator[tuple[OtlpServers, SlowJournal]]:
    """Entrances in front of a journal on disk, for a ledger that nothing is forwarded from."""
    journal = SlowJournal(tmp_path / "journal.db", Bounds(10**6, 60, 0))
    journal.entered, journal.may_write = threading.Event(), threading.Event()
    intake = Intake(journal, wanted=leads_to_ledger, arrived=lambda: None, max_pending_bytes=10**6)
    loopback = Address("127.0.0.1", 0)
    servers = OtlpServers(Entrance(intake), loopback, loopback, max_request_bytes=65536, max_pending_bytes=2**27)
    await servers.start()
    yield servers, journal
    journal.may_write.set()
    await servers.stop()
    await intake.stop()
    journal.close()


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_log_records_and_metric_points_are_counted_as_what_became_of_them(
    transport: str, journalled: tuple[OtlpServers, SlowJournal]
) -> None:
    """Records of a request that states a call are on disk; those of others, and all points, are taken and not kept."""
    servers, journal = journalled
    journal.may_write.set()
    counted = Counted(transport)
    for signal, request in (
        ("logs", logs(CALL, {"event.name": "other"}, {"event.name": "other"})),
        ("logs", logs({"event.name": "other"}, {"event.name": "other"})),
        ("metrics", data_points()),
    ):
        assert await send(servers, transport, signal, request.SerializeToString()) in ("200", "OK")
    assert counted.more() == {"accepted_log_records": 3, "ignored_log_records": 2, "ignored_metric_points": 6}
    assert journal.depth.entries == 1


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_refusals_of_log_records_are_counted_by_kind(
    transport: str, servers: OtlpServers, submit: InMemorySubmit
) -> None:
    """What may be sent again is refused; what may not has failed, and so has what is rejected of what is taken."""
    submit.failures += [QueueFullError("full"), PermanentError("this will never do")]
    counted = Counted(transport)
    body = logs(CALL, CALL).SerializeToString()
    answers = [await send(servers, transport, "logs", body) for _ in range(2)]
    assert answers == (["429", "400"] if transport == "http" else ["RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"])
    assert counted.more() == {"refused_log_records": 2, "failed_log_records": 2}
    late = logs(CALL)
    late.MergeFrom(logs(CALL, CALL, CALL, time_ns=START_NS * 2))
    assert await send(servers, transport, "logs", late.SerializeToString()) in ("200", "OK")
    assert counted.more() == {"accepted_log_records": 1, "refused_log_records": 2, "failed_log_records": 5}


@pytest.mark.parametrize("fate", ["accepted", "refused"])
async def test_a_request_whose_client_gave_up_is_counted_as_what_became_of_it(
    fate: str, journalled: tuple[OtlpServers, SlowJournal], make_request: Callable[..., ExportTraceServiceRequest]
) -> None:
    """A gRPC call that is cancelled while the disk is written to has not failed: it is stored, or it was refused."""
    servers, journal = journalled
    counted = Counted("grpc")
    body = make_request().SerializeToString()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{servers.grpc_port}") as channel:
        call = channel.unary_unary(f"/{SIGNALS['traces'].service}/Export")(body)
        sending = asyncio.ensure_future(call.code())
        assert await asyncio.to_thread(journal.entered.wait, 30)
        call.cancel()
        assert await sending == grpc.StatusCode.CANCELLED
        # The server reads of the cancellation before another call on this connection.
        await channel.unary_unary(f"/{SIGNALS['metrics'].service}/Export")(b"")
    assert counted.more() == {}
    if fate == "refused":
        journal._bounds = Bounds(10**6, 60, 2**63)
    journal.may_write.set()
    while not counted.more():  # noqa: ASYNC110 - no event tells of a count
        await asyncio.sleep(0.01)
    assert counted.more() == {f"{fate}_spans": 1}
    assert journal.depth.spans == (1 if fate == "accepted" else 0)
