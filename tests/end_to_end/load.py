"""Requests for the fault tests, clients that send them as SDKs do, and what the ledger has of them in the end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .conftest import Serving, environment, run

_STARTED_AT_NS = time.time_ns() - 3600 * 10**9
_DAY_NS = 86_400 * 10**9
_client = httpx.Client(timeout=30, trust_env=False)
_COUNT = """
import json, sys
from pathlib import Path
from spanledger_collector.export.store import open_embedded
store = open_embedded(Path(sys.argv[1]) / "chdb")
print(json.dumps({
    "spans": store.query("SELECT count() FROM otel_traces FINAL").rows[0][0],
    "facts": store.query("SELECT count() FROM facts FINAL").rows[0][0],
    "traces": store.query("SELECT count() FROM (SELECT TraceId, min(Start), max(End) "
                          "FROM otel_traces_trace_id_ts GROUP BY TraceId)").rows[0][0],
}))
store.close()
"""
_TOTALS = """
import json, sys
from pathlib import Path
from spanledger_collector.export.store import open_embedded
store = open_embedded(Path(sys.argv[1]) / "chdb")
(spans, traces), = store.query("SELECT count(), uniqExact(TraceId) FROM otel_traces FINAL").rows
(calls, tokens), = store.query("SELECT count(), sum(input_tokens) FROM calls FINAL").rows
print(json.dumps({"traces": traces, "spans": spans, "calls": calls, "input_tokens": tokens}))
store.close()
"""
_ANSWERS = """
import io, json, sys, time
from pathlib import Path
from spanledger_collector.export.roll_up import RollUps
from spanledger_collector.export.store import open_embedded
from spanledger_collector.query.library import find
from spanledger_collector.query.render import render
from spanledger_collector.query.run import StoreAsker
store = open_embedded(Path(sys.argv[1]) / "chdb")
# Of a day the waste is rolled up last.
built = (
    "SELECT count() FROM rolled_period FINAL "
    "WHERE subject = 'waste' AND hour = 24 AND toUnixTimestamp64Micro(built) > 0"
)
deadline = time.monotonic() + 120
while store.query(built).rows[0][0] < int(sys.argv[2]):
    assert time.monotonic() < deadline, "the days were not rolled up in time"
    RollUps(store, usable_after_s=0).make()
    time.sleep(0.2)
answers = {}
for name in sys.argv[3:]:
    body = io.StringIO()
    render(find(name), StoreAsker(store).ask(name, {"since": "30d"}), "jsonl", body)
    answers[name] = sorted(body.getvalue().splitlines())
print(json.dumps(answers))
store.close()
"""


def requests_of(traces: int, padding: str = "", closed_days: int = 0) -> list[bytes]:
    """For each trace a request with the agent's span and one with its two calls, as protobuf.

    They began an hour ago; with ``closed_days``, on so many days in turn, the last of them the day before yesterday.
    """
    days_ago = [number % closed_days + 2 if closed_days else 0 for number in range(traces)]
    return [
        body
        for number, days in enumerate(days_ago)
        for body in (_agent(number, padding, days), _calls(number, padding, days))
    ]


def _agent(number: int, padding: str, days_ago: int) -> bytes:
    return _request(
        number,
        [(1, 0, "invoke_agent", {"gen_ai.operation.name": "invoke_agent", "spanledger.task": f"T-{number}"})],
        padding,
        days_ago,
    )


def _calls(number: int, padding: str, days_ago: int) -> bytes:
    spans = []
    for call in (2, 3):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4.1",
            "gen_ai.response.model": "gpt-4.1-2025-04-14",
            "gen_ai.response.id": f"chatcmpl-{number}-{call}",
            "gen_ai.usage.input_tokens": 100 + number,
            "gen_ai.usage.output_tokens": 10 * call,
        }
        spans.append((call, 1, "chat gpt-4.1", attributes))
    return _request(number, spans, padding, days_ago)


def _request(number: int, spans: Sequence[tuple[int, int, str, dict[str, Any]]], padding: str, days_ago: int) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="app")))
    scope = resource_spans.scope_spans.add()
    for span_id, parent_id, name, attributes in spans:
        began_ns = _STARTED_AT_NS - days_ago * _DAY_NS + number * 10**7 + span_id * 10**6
        span = scope.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=span_id.to_bytes(8, "big"),
            parent_span_id=parent_id.to_bytes(8, "big") if parent_id else b"",
            name=name,
            kind=3,
            start_time_unix_nano=began_ns,
            end_time_unix_nano=began_ns + 5 * 10**8,
        )
        for key, value in {**attributes, "padding": padding}.items():
            known = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
            span.attributes.append(KeyValue(key=key, value=known))
    return request.SerializeToString()


def post(url: str, body: bytes) -> httpx.Response:
    """Send one request over HTTP."""
    return _client.post(f"{url}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})


def send_until_acknowledged(bodies: Sequence[bytes], url_now: Callable[[], str], seed: int) -> None:
    """Four clients; each sends its part in random order, each request until it is taken, and some once more."""

    def client(number: int) -> None:
        chance = random.Random(seed * 10 + number)
        own = [*bodies[number::4]]
        own += chance.choices(own, k=len(own) // 5)
        chance.shuffle(own)
        for body in own:
            while True:
                try:
                    if post(url_now(), body).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.05)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()


def ledger_of_api(serving: Serving) -> list[dict[str, Any]]:
    """All calls, as the API of a running collector tells them."""
    with urlopen(f"{serving.api}/api/queries/calls?format=jsonl") as response:
        return [json.loads(line) for line in response.read().splitlines()]


def ledger_of_directory(data: Path) -> list[dict[str, Any]]:
    """All calls, as ``spanledger query`` tells them."""
    answer = run("query", "calls", "--format", "jsonl", "--data", data)
    assert answer.returncode == 0, answer.stderr.decode()
    return [json.loads(line) for line in answer.stdout.splitlines()]


def ledger_of_a_clean_run(bodies: Sequence[bytes], directory: Path) -> list[dict[str, Any]]:
    """The same spans by one undisturbed import; requests in protobuf, one after the other, are one larger request."""
    (directory / "all.bin").write_bytes(b"".join(bodies))
    assert run("import", directory / "all.bin", "--data", directory / "data").returncode == 0
    return ledger_of_directory(directory / "data")


def counts(data: Path) -> dict[str, int]:
    """Rows of the other tables, read from the store itself; no collector may run."""
    return _asked(data, _COUNT)


def totals(data: Path) -> dict[str, int]:
    """How many traces, spans, calls and input tokens there are, as the store itself counts; no collector may run."""
    return _asked(data, _TOTALS)


def answers(data: Path, questions: Sequence[str], rolled_up_days: int = 0) -> dict[str, list[str]]:
    """Answers by question, lines of JSON in order, once so many days are rolled up; no collector may run."""
    return _asked(data, _ANSWERS, str(rolled_up_days), *questions)


def _asked(data: Path, program: str, *arguments: str) -> Any:
    ended = subprocess.run(
        [sys.executable, "-c", program, str(data), *arguments], check=False, capture_output=True, env=environment()
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)
