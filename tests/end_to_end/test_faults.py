"""Acknowledged is stored, once: real processes under kill -9, a store that refuses or is slow, and a full disk.

Each test ends with the same comparison: the ledger is that of one undisturbed import of the same requests.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from .conftest import SPANLEDGER, Serving, run
from .load import (
    answers,
    counts,
    ledger_of_a_clean_run,
    ledger_of_api,
    ledger_of_directory,
    post,
    requests_of,
    send_until_acknowledged,
)

HINDERED = [sys.executable, str(Path(__file__).with_name("hindered_collector.py"))]
Start = Callable[..., Serving]
Rows = list[dict[str, Any]]
MOST_TRACES = 600
QUESTIONS = ("cost_per_task", "spend_by_agent", "spend_by_model", "spend_trend", "waste")
"""Some of those that closed days answer from their roll-ups."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Rows]:
    """The ledger of the first so many traces, from one import that nothing disturbed."""
    rows = ledger_of_a_clean_run(requests_of(MOST_TRACES), tmp_path_factory.mktemp("clean"))
    return lambda traces: [row for row in rows if int(row["task"].removeprefix("T-")) < traces]


@pytest.mark.parametrize(("rounds", "receivers"), [(3, "0"), (2, "2"), pytest.param(20, "0", marks=pytest.mark.slow)])
def test_kill_nine_at_random_moments_under_load(
    serve: Start, clean: Callable[[int], Rows], rounds: int, receivers: str
) -> None:
    """Clients send in any order and often twice, a collector dies again and again: nothing is lost or doubled."""
    bodies = requests_of(traces=30 * rounds)
    chance = random.Random(rounds)
    runs = [serve(receivers=receivers)]
    data = runs[0].data
    for number in range(rounds):
        part = bodies[number * 60 : (number + 1) * 60]
        clients = threading.Thread(target=send_until_acknowledged, args=(part, lambda: runs[-1].http, number))
        clients.start()
        time.sleep(chance.uniform(0.02, 0.5))
        _kill(runs[-1])
        runs.append(serve(data, receivers=receivers))
        clients.join()
    _kill(runs[-1])
    # No collector runs: the question itself takes what the last one left in its journal.
    assert ledger_of_directory(data) == clean(len(bodies) // 2)
    assert counts(data) == {"spans": 90 * rounds, "facts": 90 * rounds, "traces": 30 * rounds}


def test_roll_ups_of_a_killed_collector_are_those_of_a_clean_run(serve: Start, tmp_path: Path) -> None:
    """Days are rolled up, written to again and rolled up again while collectors die: no answer differs by it.

    The calls come first, so that the agents' spans, which name the tasks, rewrite every row of days that are rolled up.
    The clean run answers from the calls themselves.
    """
    closed_days, chance = 3, random.Random(5)
    bodies = requests_of(traces=90, closed_days=closed_days)
    data = tmp_path / "data"
    data.mkdir()
    (data / "roll_up").touch()
    runs = [serve(data, program=HINDERED)]
    for number, part in enumerate((bodies[1::2], bodies[0::2])):
        clients = threading.Thread(target=send_until_acknowledged, args=(part, lambda: runs[-1].http, number))
        clients.start()
        time.sleep(chance.uniform(0.05, 0.3))
        _kill(runs[-1])
        runs.append(serve(data, program=HINDERED))
        clients.join()
        wait_until(lambda: _rolled_up(data) >= closed_days)
        (data / "rolled_up").unlink()
        _kill(runs[-1])
        runs.append(serve(data, program=HINDERED))
    _kill(runs[-1])
    (tmp_path / "clean").mkdir()
    ledger_of_a_clean_run(bodies, tmp_path / "clean")
    of_killed = answers(data, QUESTIONS, rolled_up_days=closed_days)
    assert of_killed == answers(tmp_path / "clean" / "data", QUESTIONS)
    assert len(of_killed["cost_per_task"]) == 90


def _rolled_up(data: Path) -> int:
    """How many days a hindered collector has rolled up since the file was there."""
    made = data / "rolled_up"
    return len(set(made.read_text().split())) if made.exists() else 0


def test_a_store_that_refuses_costs_the_clients_nothing(
    serve: Start, clean: Callable[[int], Rows], tmp_path: Path
) -> None:
    """They get success all the while, also over a kill -9; the ledger is complete when the store is back."""
    data = tmp_path / "data"
    data.mkdir()
    bodies = requests_of(traces=20)

    def times_told() -> int:
        log = (tmp_path / "serve.log").read_text()
        return log.count("requests stay in the journal, as the store did not answer")

    serving = serve(data, program=HINDERED)
    (data / "refuse").touch()
    assert [post(serving.http, body).status_code for body in bodies[:20]] == [200] * 20
    with urlopen(f"{serving.api}/readyz") as answer:
        assert answer.status == 200
    wait_until(lambda: times_told() == 1)
    _kill(serving)
    serving = serve(data, program=HINDERED)
    assert [post(serving.http, body).status_code for body in bodies[20:]] == [200] * 20
    assert ledger_of_api(serving) == []
    wait_until(lambda: times_told() == 2)
    (data / "refuse").unlink()
    wait_until(lambda: len(ledger_of_api(serving)) == 40)
    assert ledger_of_api(serving) == clean(len(bodies) // 2)
    assert not (data / "dead_letter").exists()
    assert times_told() == 2


@pytest.mark.parametrize("receivers", ["0", "1"])
def test_at_the_bound_clients_are_told_to_slow_down(
    serve: Start, clean: Callable[[int], Rows], tmp_path: Path, receivers: str
) -> None:
    """429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo; the same requests pass once the store takes again."""
    data = tmp_path / "data"
    data.mkdir()
    bodies = requests_of(traces=20, padding="x" * 2000)
    serving = serve(data, program=HINDERED, journal_max_bytes="40000", receivers=receivers)
    (data / "refuse").touch()
    answers = [post(serving.http, body) for body in bodies]
    refused = [body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(next(answer for answer in answers if answer.status_code == 429).headers["retry-after"]) > 0
    with grpc.insecure_channel(serving.grpc) as channel:
        with pytest.raises(grpc.RpcError) as refusal:
            TraceServiceStub(channel).Export(ExportTraceServiceRequest.FromString(refused[0]), timeout=30)
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" in dict(refusal.value.trailing_metadata())
    (tmp_path / "refused.bin").write_bytes(refused.pop())
    importing = subprocess.Popen([*SPANLEDGER, "import", str(tmp_path / "refused.bin"), "--data", str(data)])
    (data / "refuse").unlink()
    send_until_acknowledged(refused, lambda: serving.http, seed=1)
    assert importing.wait(60) == 0
    assert ledger_of_api(serving) == clean(len(bodies) // 2)


def test_a_slow_store_leaves_the_rest_for_the_next_start(
    serve: Start, clean: Callable[[int], Rows], tmp_path: Path
) -> None:
    """Success does not wait for the store; SIGTERM waits a bounded time, and what is left then is not lost."""
    data = tmp_path / "data"
    data.mkdir()
    bodies = requests_of(traces=30)
    serving = serve(data, program=HINDERED, drain_s="0.5", batch_spans="5")
    (data / "slow").touch()
    send_until_acknowledged(bodies, lambda: serving.http, seed=1)
    assert serving.stop() == 0
    assert "stay in the journal until the next start" in (tmp_path / "serve.log").read_text()
    assert ledger_of_api(serve(data)) == clean(len(bodies) // 2)


def test_an_answer_holds_what_was_acknowledged_before_the_question(serve: Start) -> None:
    """Read your writes: no test and no user has to wait and ask again."""
    serving = serve(batch_wait_ms="60000")
    for number, body in enumerate(requests_of(traces=5)):
        assert post(serving.http, body).status_code == 200
        assert len(ledger_of_api(serving)) == (number + 1) // 2 * 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB for the data directory."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not permitted here; tests/journal has a full disk by a limit on file sizes")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_recovers_by_itself(
    serve: Start, clean: Callable[[int], Rows], small_disk: Path
) -> None:
    """Without space for the journal or for chDB clients are told to slow down; with space again all is taken."""
    bodies = requests_of(traces=60, padding=os.urandom(10_000).hex())
    data = small_disk / "data"
    serving = serve(data, min_free_bytes="0")
    refused = [body for body in bodies[:40] if post(serving.http, body).status_code != 200]
    assert not refused
    _fill(small_disk / "ballast")
    answers = [post(serving.http, body) for body in bodies[40:]]
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert 429 in {answer.status_code for answer in answers}
    (small_disk / "ballast").unlink()
    send_until_acknowledged(bodies[40:], lambda: serving.http, seed=1)
    wait_until(lambda: len(ledger_of_api(serving)) == 120)
    assert ledger_of_api(serving) == clean(len(bodies) // 2)
    assert not (data / "dead_letter").exists()


def test_requests_that_wait_for_the_store_are_not_kept_in_memory(serve: Start, tmp_path: Path) -> None:
    """A hundred megabytes in the journal of a store that refuses are a fraction of that in the process."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is read from /proc")
    data = tmp_path / "data"
    data.mkdir()
    serving = serve(data, program=HINDERED, batch_bytes="1000000")
    (data / "refuse").touch()
    bodies = requests_of(traces=50, padding=os.urandom(500_000).hex())
    for body in bodies[:10]:
        assert post(serving.http, body).status_code == 200
    before_bytes = _resident_bytes(serving)
    for body in bodies[10:]:
        assert post(serving.http, body).status_code == 200
    assert sum(map(len, bodies[10:])) > 100_000_000
    assert _resident_bytes(serving) - before_bytes < 50_000_000


def test_what_can_never_be_decoded_is_a_dead_letter_and_the_rest_is_stored(
    serve: Start, clean: Callable[[int], Rows], tmp_path: Path
) -> None:
    """Bytes that a fault put into the journal are kept with the reason, counted, and told by metrics and status.

    Status tells of what a killed collector left, too, and leaves it for the next start.
    """
    data = tmp_path / "data"
    data.mkdir()
    (data / "refuse").touch()
    bodies = requests_of(traces=5)
    serving = serve(data, program=HINDERED)
    assert {post(serving.http, body).status_code for body in bodies} == {200}
    _kill(serving)
    for _ in range(2):
        state = json.loads(run("status", "--format", "json", "--data", data).stdout)
        assert (state["collector"], state["journal"]["requests"]) == (None, len(bodies))
    with closing(sqlite3.connect(data / "journal.db")) as journal, journal:
        journal.execute("INSERT INTO entry VALUES (0, ?, 'traces', 7, ?)", (time.time_ns() // 10**6, b"\xffsecret"))
    (data / "refuse").unlink()
    serving = serve(data)
    assert ledger_of_api(serving) == clean(len(bodies) // 2)
    (letter,) = (data / "dead_letter").glob("*.bin")
    assert letter.read_bytes() == b"\xffsecret"
    reason = letter.with_name(f"{letter.name}.txt").read_text()
    assert "are no ExportTraceServiceRequest" in reason
    assert "secret" not in reason + (tmp_path / "serve.log").read_text()
    with urlopen(f"{serving.api}/metrics") as answer:
        assert b"spanledger_dead_letter_spans_total 7.0" in answer.read()
    assert b"dead letters 1 requests" in run("status", "--data", data).stdout


def test_more_clients_than_files(serve: Start, clean: Callable[[int], Rows], tmp_path: Path) -> None:
    """Clients that come and stay leave the store the files it needs; who is there already is served all the same."""
    serving = serve(program=["sh", "-c", 'ulimit -n 600; exec "$@"', "sh", *SPANLEDGER])
    address = urlsplit(serving.http)
    bodies = requests_of(traces=5)
    with closing(HTTPConnection(address.netloc, timeout=60)) as early, ExitStack() as stay:

        def send(body: bytes) -> int:
            early.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = early.getresponse()
            answer.read()
            return answer.status

        assert send(bodies[0]) == 200
        for _ in range(600):
            stay.enter_context(socket.create_connection((address.hostname, address.port))).sendall(b"POST ")
        assert {send(body) for body in bodies[1:]} == {200}
        assert ledger_of_api(serving) == clean(len(bodies) // 2)
        with urlopen(f"{serving.api}/readyz") as answer:
            assert answer.status == 200
    assert serving.stop() == 0
    assert (tmp_path / "serve.log").read_text() == ""


def _kill(serving: Serving) -> None:
    serving.process.kill()
    serving.process.wait()


def _resident_bytes(serving: Serving) -> int:
    pages = int(Path(f"/proc/{serving.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _fill(path: Path) -> None:
    """Write until the disk has no more."""
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(b"\0" * 65536):
                pass
        except OSError:
            pass


def wait_until(holds: Callable[[], bool], patience_s: float = 120) -> None:
    """Wait for what must come about."""
    deadline_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.2)
