"""A collector whose store is a process of its own, reached over HTTP: it may die at any moment and come back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import ANY

import httpx
import pytest

from .conftest import Serving, run
from .load import ledger_of_a_clean_run, ledger_of_api, post, requests_of

CHDB_OVER_HTTP = Path(__file__).parents[1] / "export" / "chdb_over_http.py"


class StoreServer:
    """chDB behind ClickHouse's HTTP interface, on the same directory and port whenever it is started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """What ``--clickhouse`` takes."""
        return f"http://127.0.0.1:{self._port}/spanledger"

    def start(self) -> None:
        """Serve what the directory holds."""
        command = [sys.executable, str(CHDB_OVER_HTTP), str(self._directory), str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def hang(self) -> None:
        """Let it answer nothing, and keep its connections."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def store_server(tmp_path: Path) -> Iterator[StoreServer]:
    """A server for the collector's tables."""
    server = StoreServer(tmp_path / "server")
    yield server
    server.kill()


def test_a_server_that_dies_costs_nothing(
    serve: Callable[..., Serving], store_server: StoreServer, tmp_path: Path
) -> None:
    """Killed twice, once in the middle of the load, it is missed by no client; the ledger is complete in the end."""
    bodies = requests_of(traces=40)
    serving = serve(extra=("--clickhouse", store_server.url), batch_wait_ms="1", batch_spans="20")
    for number, body in enumerate(bodies):
        if number in (25, 55):
            store_server.kill()
        if number == 40:
            store_server.start()
        assert post(serving.http, body).status_code == 200
    assert httpx.get(f"{serving.api}/readyz").json()["store"] != "ok"
    store_server.start()
    (tmp_path / "clean").mkdir()
    expected = ledger_of_a_clean_run(bodies, tmp_path / "clean")
    deadline_s = time.monotonic() + 60
    while ledger_of_api(serving) != expected:
        assert time.monotonic() < deadline_s, "the ledger is not complete"
        time.sleep(0.5)
    assert not (serving.data / "dead_letter").exists()
    # A question's parameters are in its URL.
    assert "param_" not in (tmp_path / "serve.log").read_text()


def test_commands_ask_the_collector_that_writes_to_the_server(
    serve: Callable[..., Serving], store_server: StoreServer, tmp_path: Path
) -> None:
    """On its data directory there is one writer to the store: status tells its journal, and files go through it."""
    serving = serve(extra=("--clickhouse", store_server.url), batch_wait_ms="60000")
    where = ("--data", serving.data, "--clickhouse", store_server.url)
    (tmp_path / "spans.bin").write_bytes(b"".join(requests_of(traces=2)))
    assert run("import", tmp_path / "spans.bin", *where).returncode == 0
    status = json.loads(run("status", "--format", "json", *where).stdout)
    assert status["journal"]["spans"] == 6
    assert len(run("query", "calls", "--format", "jsonl", *where).stdout.splitlines()) == 4
    assert b"held by process" in run("serve", *where).stderr
    elsewhere = f"{store_server.url}_2"
    assert run("query", "calls", "--format", "jsonl", "--data", serving.data, "--clickhouse", elsewhere).stdout == b""
    assert serving.stop() == 0
    status = json.loads(run("status", "--format", "json", *where).stdout)
    assert (status["collector"], status["journal"]["requests"], status["store"]) == (None, 0, "ok")


def test_status_tells_what_waits_whoever_is_down(
    serve: Callable[..., Serving], store_server: StoreServer, tmp_path: Path
) -> None:
    """With the server gone, and then the collector killed, what was acknowledged is seen to be in the journal."""
    body = requests_of(traces=1)[0]
    serving = serve(extra=("--clickhouse", store_server.url), batch_wait_ms="1")
    where = ("--data", serving.data, "--clickhouse", store_server.url)
    store_server.kill()
    assert post(serving.http, body).status_code == 200
    for collector in (serving.api, None):
        told = run("status", "--format", "json", *where)
        status = json.loads(told.stdout)
        assert told.returncode == 1
        assert (status["collector"], status["tables"]) == (collector, [])
        assert status["store"] != "ok"
        assert (status["journal"]["requests"], status["journal"]["spans"] > 0) == (1, True)
        serving.process.kill()
        serving.process.wait()
    shown = run("status", *where).stdout.decode()
    assert f"collector    none runs on {serving.data}" in shown
    assert "journal      1 requests, " in shown
    store_server.start()
    assert json.loads(run("status", "--format", "json", *where).stdout)["journal"] == {
        **status["journal"],
        "lag_s": ANY,
    }
    assert run("status", "--data", tmp_path / "nothing", *where[2:]).returncode == 0


def test_a_server_that_hangs_does_not_keep_a_stop_waiting(
    serve: Callable[..., Serving], store_server: StoreServer, tmp_path: Path
) -> None:
    """Success is told as ever, readiness says that the store is slow, and SIGTERM ends it; the rest is not lost."""
    bodies = requests_of(traces=5)
    serving = serve(extra=("--clickhouse", store_server.url), drain_s="0.5")
    assert post(serving.http, bodies[0]).status_code == 200
    store_server.hang()
    assert [post(serving.http, body).status_code for body in bodies[1:]] == [200] * 9
    assert httpx.get(f"{serving.api}/readyz", trust_env=False).json()["store"] == "slow"
    assert serving.stop() == 1
    assert "what waits is in the journal" in (tmp_path / "serve.log").read_text()
    store_server.kill()
    store_server.start()
    (tmp_path / "clean").mkdir()
    serving = serve(serving.data, extra=("--clickhouse", store_server.url))
    assert ledger_of_api(serving) == ledger_of_a_clean_run(bodies, tmp_path / "clean")
