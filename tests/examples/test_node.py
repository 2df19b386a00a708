"""The Node example: a program that has nothing of ours sends to the collector and is in the same tables.

Runs where ``node`` is there and the packages of ``examples/node``, which ``make test`` installs by ``npm ci``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spanledger_collector.demo import StandInProvider
from spanledger_collector.receive.otlp_json import parse_json
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.testing import MemoryCollector

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"


@pytest.fixture
def collector() -> Iterator[tuple[str, MemoryCollector]]:
    """The address of a collector in memory, and the collector."""
    memory = MemoryCollector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"".join(self._chunks())
            parse = parse_json if "json" in self.headers["content-type"] else parse_protobuf
            memory.send(parse("traces", body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def _chunks(self) -> Iterator[bytes]:
            """Read what Node sends: chunks of HTTP's own, each behind its size."""
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", memory
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_node_program_is_in_the_same_ledger(collector):
    """A call of a Node program has its row: model, tokens, cost and whom it is for."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (EXAMPLE / "node_modules").is_dir():
        pytest.skip("the example's packages are not installed: run `npm ci` in examples/node")
    endpoint, memory = collector
    with StandInProvider() as provider:
        done = subprocess.run(
            [node, "main.mjs", "<<in=1200;out=80;cached=512>>"],
            cwd=EXAMPLE,
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OPENAI_BASE_URL": provider.openai_base_url,
                "OPENAI_API_KEY": "any",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (billed,) = provider.calls
    (call,) = memory.calls()
    assert (call.response_id, call.response_model) == (billed.response_id, billed.response_model)
    assert (call.input_tokens, call.cache_read_tokens, call.output_tokens) == (1200, 512, 80)
    assert (call.service, call.task, call.team) == ("node-example", "node-example", "web")
    assert call.cost_usd is not None
