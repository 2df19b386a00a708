"""A collector whose spans are received by other processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from .conftest import Serving
from .load import ledger_of_api, post, requests_of

Start = Callable[..., Serving]


def receivers_of(serving: Serving) -> list[int]:
    """The processes of a collector that listen: its children, without multiprocessing's own helper."""
    return [
        int(place.name)
        for place in Path("/proc").glob("[0-9]*")
        if parent_of(int(place.name)) == serving.process.pid and b"spawn_main" in (place / "cmdline").read_bytes()
    ]


def parent_of(process_id: int) -> int | None:
    """The parent of a process that has not ended."""
    with contextlib.suppress(OSError):
        state, parent_id = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[:2]
        return None if state == "Z" else int(parent_id)
    return None


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait a bounded time."""
    deadline_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def taken(serving: Serving, body: bytes) -> bool:
    """Whether a request is acknowledged; a connection may go to a receiver that dies."""
    with contextlib.suppress(httpx.TransportError):
        return post(serving.http, body).status_code == 200
    return False


def test_what_receivers_take_is_in_the_ledger_and_in_the_metrics(serve: Start) -> None:
    """Both entrances lead to one ledger, an answer holds all that was acknowledged, and counts are of all processes."""
    serving = serve(receivers="2")
    assert len(receivers_of(serving)) == 2
    bodies = requests_of(traces=6)
    for body in bodies[:6]:
        assert post(serving.http, body).status_code == 200
    for body in bodies[6:]:
        with grpc.insecure_channel(serving.grpc) as channel:
            TraceServiceStub(channel).Export(ExportTraceServiceRequest.FromString(body), timeout=30)
    assert len(ledger_of_api(serving)) == 12
    assert httpx.post(f"{serving.http}/v1/traces", content=b"no", trust_env=False).status_code == 415

    def exposed() -> str:
        return httpx.get(f"{serving.api}/metrics", trust_env=False).text

    wait_until(
        lambda: (
            'receiver_accepted_spans_total{transport="http"} 9.0' in exposed()
            and 'receiver_accepted_spans_total{transport="grpc"} 9.0' in exposed()
            and 'receiver_failed_requests_total{status="415"} 1.0' in exposed()
        )
    )
    assert "spanledger_journal_written_spans_total 18.0" in exposed()
    processes = receivers_of(serving)
    assert serving.stop() == 0
    assert {parent_of(process) for process in processes} == {None}


def test_a_receiver_that_dies_is_replaced(serve: Start, tmp_path: Path) -> None:
    """Readiness says that it is missing, another takes its place, the log says so, and no acknowledged span is lost."""
    serving = serve(receivers="1")
    bodies = requests_of(traces=10)
    assert all(post(serving.http, body).status_code == 200 for body in bodies[:10])
    (victim,) = receivers_of(serving)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: httpx.get(f"{serving.api}/readyz", trust_env=False).status_code == 503)
    wait_until(lambda: httpx.get(f"{serving.api}/readyz", trust_env=False).status_code == 200)
    assert receivers_of(serving) != [victim]
    for body in bodies[10:]:
        wait_until(lambda body=body: taken(serving, body))  # type: ignore[misc]
    assert len(ledger_of_api(serving)) == 20
    assert "a receiver has ended (exit code -9); another is started" in (tmp_path / "serve.log").read_text()


def test_receivers_end_with_their_collector(serve: Start) -> None:
    """Kill -9 leaves nobody on its ports who would take spans that no ledger gets."""
    serving = serve(receivers="2")
    processes = receivers_of(serving)
    assert len(processes) == 2
    serving.process.kill()
    serving.process.wait()
    wait_until(lambda: {parent_of(process) for process in processes} == {None})
