"""The processes that ``ingest.py`` measures: collectors that listen for OTLP/HTTP, and a sink that reads and discards.

Run as a program it is our collector with the store cut off: rows of ``otel_traces`` go to the sink as rotel's do,
priced calls and their facts besides, and the store answers every question with nothing.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

START_TIMEOUT_S = 30


@dataclass
class Collector:
    """A running collector: where it takes OTLP/HTTP, its process, and where it tells its metrics, if it does."""

    port: int
    process: subprocess.Popen[Any]
    api_port: int | None = None

    def cpu_s(self) -> float:
        """CPU seconds that the process and its children have used so far, all threads (Linux)."""
        ticks = 0
        for place in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = place.read_text().rpartition(")")[2].split()
                if self.process.pid in (int(place.parent.name), int(fields[1])):
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def wait_until_stored(self) -> None:
        """Return once nothing of what it acknowledged waits for the store; at once where it does not tell."""
        if self.api_port is None:
            return
        while True:
            with urlopen(f"http://127.0.0.1:{self.api_port}/metrics") as answer:
                waiting = re.search(r"^spanledger_journal_requests (\S+)$", answer.read().decode(), re.MULTILINE)
            if waiting is None:
                raise SystemExit("the collector does not tell what waits in its journal")
            if float(waiting[1]) == 0:
                return
            time.sleep(0.05)

    def peak_mb(self) -> int:
        """The most memory that the process has had at a time, in MB (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024


class Discard(BaseHTTPRequestHandler):
    """Answers everything with success and nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body, however it is framed."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                self._discard(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self._discard(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def _discard(self, size: int) -> None:
        while size > 0:
            size -= len(self.rfile.read(min(size, 1 << 20)))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def sink() -> Iterator[int]:
    """The port of a loopback sink."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Discard)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def rotel_program() -> str | None:
    """Where rotel is installed, from its wheel or by other means; ``None`` where it is not."""
    in_wheel = Path(sysconfig.get_paths()["purelib"]) / "rotel" / "rotel-agent"
    return os.environ.get("ROTEL") or (str(in_wheel) if in_wheel.exists() else shutil.which("rotel"))


@contextmanager
def rotel(program: str, sink_port: int) -> Iterator[Collector]:
    """Rotel with its ClickHouse exporter into the sink."""
    port = free_port()
    options = {
        "--otlp-http-endpoint": f"127.0.0.1:{port}",
        "--otlp-grpc-endpoint": f"127.0.0.1:{free_port()}",
        "--exporter": "clickhouse",
        "--clickhouse-exporter-endpoint": f"http://127.0.0.1:{sink_port}",
    }
    with running([program, "start", *(part for option in options.items() for part in option)], port) as collector:
        yield collector


@contextmanager
def ours_without_store(sink_port: int) -> Iterator[Collector]:
    """Our collector, all stages, with the sink in the store's place."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, folder, str(port), str(sink_port)]
        with running(command, port) as collector:
            yield collector


@contextmanager
def ours(receivers: int = 0) -> Iterator[Collector]:
    """Our collector with chDB in an empty folder, and this many processes that receive for it."""
    port, api_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spanledger_collector", "serve", "--data", folder]
        addresses = ["--otlp-http", f"127.0.0.1:{port}", "--otlp-grpc", "127.0.0.1:0", "--api", f"127.0.0.1:{api_port}"]
        with running([*command, *addresses, "--receivers", str(receivers)], port) as collector:
            collector.api_port = api_port
            yield collector


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[Collector]:
    """The process, once its port answers; told to end, and waited for, afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{' '.join(command)} did not start") from None
                time.sleep(0.05)
        yield Collector(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SinkStore:
    """A store that keeps nothing and knows nothing, for our own collector."""

    name = "the sink"

    def __init__(self, port: int) -> None:
        self._port = port
        self._of_thread = threading.local()

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        """No rows, and as many when they are counted."""
        from spanledger_collector.export.store import Result

        return Result((), [(0,)] if "count()" in sql else [])

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Nothing to do."""

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """No rows."""
        return b""

    def insert(self, table: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """Drop prices."""

    def insert_native(self, table: str, blocks: bytes, columns: Sequence[str] = ()) -> None:
        """Send rows; spans come from another thread than the ledger's."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        self._of_thread.connection.request("POST", "/", blocks)
        self._of_thread.connection.getresponse().read()


async def _serve(folder: str, port: int, sink_port: int) -> None:
    from spanledger_collector.collector import Collector as OurCollector
    from spanledger_collector.config import load_settings
    from spanledger_collector.garbage import expect_batches

    addresses = {"otlp_http": f"127.0.0.1:{port}", "otlp_grpc": "127.0.0.1:0", "api": "127.0.0.1:0"}
    settings = load_settings(None, data=Path(folder), **addresses)
    store: Any = SinkStore(sink_port)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    collector = OurCollector(settings, store)
    await collector.start()
    expect_batches()
    await stopped.wait()
    await collector.stop()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
