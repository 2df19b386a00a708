"""How fast spans come in: our stages, our collector, rotel (Rust) and the limit of the store, side by side in one run.

``make bench``, or ``python benchmarks/ingest.py [--spans N]``. A core-second is one of CPU time of the collector's
process and its children; a collector has settled when they have nothing left to do. Rotel, and ours "with the store
cut off", send rows of ``otel_traces`` to a sink that discards them; ours normalises, merges and prices the calls, and
sends them and what they were made from besides.
The limit is the store writing the same rows once more by itself. Client, sink and collector share the machine's cores,
so that only the ratios within one run mean something. Rotel is measured where its wheel is installed
(``pip install rotel``) or ``ROTEL`` names the program.
"""

from __future__ import annotations

import argparse
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import servers
from merge import EmptyStore
from traces import KINDS, requests, spread

from spanledger_collector.decode import Decoder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.garbage import expect_batches
from spanledger_collector.merge import LedgerRow
from spanledger_collector.model import Fact
from spanledger_collector.normalise import fact_reader, name_tells, scope_tells
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue

CONNECTIONS = 16
"""Each sends one request after the other, as an application's exporter does."""
BATCH_SPANS = 30_000
WARM_UP_SPANS = 500


@dataclass(slots=True, frozen=True)
class Shape:
    """Requests of one shape; ``weight`` says how many spans of it keep a collector busy for about as long."""

    kind: str
    spans_per_request: int
    weight: float


SHAPES = (
    Shape("plain", 100, 1.0),
    Shape("genai", 100, 1.0),
    Shape("content", 100, 0.3),
    Shape("genai", 10, 0.2),
    Shape("genai", 1, 0.04),
)


class NullLedger(EmptyStore):
    """Takes all rows and keeps none."""

    def write_spans(self, blocks: bytes) -> None:
        """Drop them."""

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """Drop them."""

    def write_facts(self, facts: Collection[Fact]) -> None:
        """Drop them."""


def cpu_rate(run: Callable[[], object], spans: int) -> float:
    """Spans a second of CPU time of this process."""
    before = time.process_time()
    run()
    return spans / (time.process_time() - before)


def stages(catalogue: Catalogue, kind: str, spans: int) -> None:
    """Our stages in this process, and what the store can do at most."""
    sent = [request.SerializeToString() for request in requests(kind, spans)]
    size = BATCH_SPANS // 100
    batches = [sent[at : at + size] for at in range(0, len(sent), size)]
    decoder = Decoder(scope_tells, name_tells, fact_reader())
    decoding = cpu_rate(lambda: [decoder.decode(batch) for batch in batches], spans)
    pipeline = Pipeline(NullLedger(), catalogue)
    pipeline.process(requests(kind, WARM_UP_SPANS, seed=2))
    pricing = cpu_rate(lambda: [pipeline.process(batch) for batch in batches], spans)
    with tempfile.TemporaryDirectory() as folder:
        store = open_embedded(Path(folder))
        migrate(store)
        stored = Pipeline(Ledger(store, SeenKeys(store)), catalogue)
        storing = cpu_rate(lambda: [stored.process(batch) for batch in batches], spans)
        limit = cpu_rate(lambda: copy(store), spans)
        store.close()
    print(f"{kind:10}{decoding:>12,.0f}{pricing:>12,.0f}{storing:>12,.0f}{limit:>12,.0f}")


def going_on(catalogue: Catalogue, spans: int) -> None:
    """Traces that go on: what it costs to have some spans of each in every batch, beside whole traces at once."""
    for batches in (1, 10):
        sent = spread(spans, batches)
        with tempfile.TemporaryDirectory() as folder:
            store = open_embedded(Path(folder))
            migrate(store)
            pipeline = Pipeline(Ledger(store, SeenKeys(store)), catalogue)
            pipeline.process(requests("genai", WARM_UP_SPANS, seed=2))
            rate = cpu_rate(lambda: [pipeline.process(batch) for batch in sent], spans)  # noqa: B023
            store.close()
        print(f"genai, all traces over {batches:>2} batches, into chDB{rate:>10,.0f}")


def copy(store: Store) -> None:
    """The limit: the same rows written once more by the store itself."""
    for table in ("otel_traces", "calls", "facts"):
        store.command(f"CREATE TABLE {table}_copy AS {table}")
        store.command(f"INSERT INTO {table}_copy SELECT * FROM {table}")


Start = Callable[[], AbstractContextManager[servers.Collector]]


class Table:
    """The rows of the second table, each beside what rotel reached with requests of the same shape."""

    def __init__(self) -> None:
        self._rotel: float | None = None

    def begin(self) -> None:
        """Another shape."""
        self._rotel = None

    def row(self, name: str, start: Start, shape: Shape, bodies: list[bytes]) -> None:
        """One collector with requests of one shape: what it does a core-second, and a second."""
        rate, *of_wall, peak_mb = over_http(start, bodies, len(bodies) * shape.spans_per_request)
        if name == "rotel":
            self._rotel = rate
        beside = f"{rate / self._rotel:>10.2f}" if self._rotel else f"{'-':>10}"
        print(
            f"{name:26}{shape.kind:10}{shape.spans_per_request:>6}{rate:>14,.0f}{beside}",
            *(f"{rate:>11,.0f}" for rate in of_wall),
            f"{peak_mb:>7,}",
            flush=True,
        )


def over_http(start: Start, bodies: list[bytes], spans: int) -> tuple[float, float, float, float, int]:
    """Spans a core-second; a second, until all were answered, were stored, and all was at rest; the most memory in MB.

    What is stored is in the answer to every question, priced. Until all is at rest, the store merges parts.
    """
    with start() as collector:
        send(collector.port, warm_up())
        settled_cpu_s(collector)
        start_s, cpu_before_s = time.perf_counter(), collector.cpu_s()
        send(collector.port, bodies)
        answered_s = time.perf_counter() - start_s
        collector.wait_until_stored()
        stored_s = time.perf_counter() - start_s
        cpu_s = settled_cpu_s(collector) - cpu_before_s
        settled_s = max(stored_s, time.perf_counter() - start_s - SETTLED_S)
        peak_mb = collector.peak_mb()
        if collector.api_port is None:
            stored_s = settled_s
    return spans / cpu_s, spans / answered_s, spans / stored_s, spans / settled_s, peak_mb


@cache
def warm_up() -> list[bytes]:
    """A few spans of each kind."""
    return [request.SerializeToString() for kind in KINDS for request in requests(kind, WARM_UP_SPANS, seed=2)]


SETTLED_S = 1.0


def settled_cpu_s(collector: servers.Collector) -> float:
    """The CPU time once the process has had nothing to do for a while: what was answered may still be on its way."""
    last, since = collector.cpu_s(), time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        time.sleep(0.1)
        now = collector.cpu_s()
        if now - last > 0.03:
            last, since = now, time.monotonic()
    return last


def send(port: int, bodies: list[bytes]) -> None:
    """Send all bodies over a few connections; a refusal for now is tried again."""
    left = iter(bodies)
    lock = threading.Lock()
    failures: list[str] = []

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while True:
                with lock:
                    body = next(left, None)
                if body is None:
                    return
                while (status := post(connection, body)) in (429, 503):
                    time.sleep(0.05)
                if status != 200:
                    failures.append(str(status))

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{len(failures)} requests failed: {failures[0]}")


def post(connection: socket.socket, body: bytes) -> int:
    """The status of a request, with as little work as a client can do: it shares the cores with what is measured."""
    head = f"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
    connection.sendall(b"%scontent-type: application/x-protobuf\r\n\r\n%s" % (head.encode(), body))
    answer = b""
    while True:
        received = connection.recv(65536)
        if not received:
            raise SystemExit("a collector closed a connection instead of answering")
        answer += received
        head_of_answer, is_whole, content = answer.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: *(\d+)", head_of_answer, re.IGNORECASE)
        if is_whole and len(content) >= int(size[1] if size else 0):
            return int(head_of_answer.split(maxsplit=2)[1])


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--spans", type=int, default=500_000, help="GenAI spans, 100 a request; of others in proportion"
    )
    spans = arguments.parse_args().spans
    catalogue = Catalogue.load()
    expect_batches()
    print("in process, spans per core-second")
    print(f"{'spans':10}{'decode':>12}{'to price':>12}{'into chDB':>12}{'limit':>12}")
    for kind in KINDS:
        stages(catalogue, kind, spans // 4)
    going_on(catalogue, spans // 8)
    print(
        "\nover HTTP, client on the same machine; spans per core-second of the collector, that as a part of rotel's,\n"
        "spans a second by the clock until all were answered, until all were stored, and until all was at rest (parts\n"
        "merged), and the most memory"
    )
    print(
        f"{'':26}{'spans':10}{'a req.':>6}{'core-second':>14}{'of rotel':>10} {'answered':>11}"
        f" {'stored':>11} {'at rest':>11} {'MB':>7}"
    )
    program = servers.rotel_program()
    table = Table()
    with servers.sink() as sink_port:
        for shape in SHAPES:
            table.begin()
            count = max(round(spans * shape.weight), shape.spans_per_request)
            sent = requests(shape.kind, count, 1, shape.spans_per_request)
            bodies = [request.SerializeToString() for request in sent]
            if program:
                table.row("rotel", lambda: servers.rotel(program, sink_port), shape, bodies)
            table.row("spanledger, store cut off", lambda: servers.ours_without_store(sink_port), shape, bodies)
            table.row("spanledger into chDB", servers.ours, shape, bodies)
            table.row("  with 2 receivers", lambda: servers.ours(receivers=2), shape, bodies)
    if not program:
        print("rotel is not installed and was left out (pip install rotel, or name the program in ROTEL)")


if __name__ == "__main__":
    main()
