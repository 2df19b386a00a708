"""Both entrances on free loopback ports, in front of the in-memory twin of the pipeline."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.config import Address
from spanledger_collector.receive import screen
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit

MAX_REQUEST_BYTES = 64 * 1024
START_NS = 1_767_225_600_000_000_000
"""The year 2026 began."""


@pytest.fixture
def submit() -> InMemorySubmit:
    """What the entrances hand their requests to."""
    return InMemorySubmit()


@pytest.fixture(params=["compiled", "pure"])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled scan before the screen, and the screen alone."""
    if request.param == "pure":
        monkeypatch.setattr(screen, "_scan", None)
    elif screen._scan is None:
        pytest.skip("the compiled scan is not built, or left aside")


@pytest.fixture
async def servers(submit: InMemorySubmit, twin: None) -> AsyncIterator[OtlpServers]:
    """Running entrances that take requests of up to 64 KiB."""
    loopback = Address("127.0.0.1", 0)
    running = OtlpServers(
        Entrance(submit), loopback, loopback, max_request_bytes=MAX_REQUEST_BYTES, max_pending_bytes=2**27
    )
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def corpus() -> Path:
    """Requests that real emitters sent."""
    return Path(__file__).parent.parent / "corpus"


@pytest.fixture
def make_request() -> Callable[..., ExportTraceServiceRequest]:
    """A request with one span for each (trace id, span id) given."""

    def make(*ids: tuple[bytes, bytes], name: str = "chat") -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        scope_spans = request.resource_spans.add().scope_spans.add()
        for trace_id, span_id in ids or ((b"\x01" * 16, b"\x02" * 8),):
            scope_spans.spans.add(trace_id=trace_id, span_id=span_id, name=name, start_time_unix_nano=START_NS)
        return request

    return make
