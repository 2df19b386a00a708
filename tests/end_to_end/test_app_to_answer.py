"""From an app with one import to answers in the terminal and over HTTP: real processes, real SDKs, real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.otlp_json import to_json

from .conftest import CORPUS, FREE_PORTS, SPANLEDGER, Serving, environment, run

TOKENS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]


def rows_of_cli(data: Path, name: str = "calls") -> list[dict[str, Any]]:
    """What ``spanledger query`` prints as JSON lines."""
    answer = run("query", name, "--format", "jsonl", "--data", data)
    assert answer.returncode == 0, answer.stderr.decode()
    return [json.loads(line) for line in answer.stdout.splitlines()]


def rows_of_api(serving: Serving, name: str = "calls") -> list[dict[str, Any]]:
    """The same over the HTTP API."""
    with urlopen(f"{serving.api}/api/queries/{name}?format=jsonl") as response:
        return [json.loads(line) for line in response.read().splitlines()]


def run_app(otlp_http: str) -> list[dict[str, Any]]:
    """Run the app to its end; returns the provider's own ledger."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("app.py"))],
        check=False,
        capture_output=True,
        timeout=120,
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=otlp_http, OTEL_SERVICE_NAME="app"),
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def test_one_import_to_an_exact_ledger_that_a_restart_finds(serve: Callable[..., Serving]) -> None:
    """Every call the provider answered is one exact, priced row, for the right task; SIGTERM loses none of it."""
    serving = serve()
    truth = run_app(serving.http)
    rows = rows_of_cli(serving.data)
    assert rows == rows_of_api(serving)
    calls = [row for row in rows if row["kind"] != "tool"]
    assert Counter(
        (row["provider"], row["request_model"], row["stream"], *((row[name] or 0) for name in TOKENS)) for row in calls
    ) == Counter((c["provider"], c["request_model"], c["stream"], *(c[name] for name in TOKENS)) for c in truth)
    assert {row["response_id"] for row in calls if row["kind"] == "llm" and row["status"] == "ok"} == {
        c["response_id"] for c in truth if c["api"] != "embeddings" and c["billable"]
    }
    assert all(float(row["cost_usd"]) > 0 and row["price_status"] == "priced" for row in calls if row["status"] == "ok")
    assert Counter((row["task"], row["agent"], row["team"], row["user"]) for row in rows) == {
        ("T-42", "coder", "platform", "u-17"): 8,
        ("T-43", "reviewer", "platform", "u-18"): 3,
    }
    tools = [(row["tool_name"], row["status"], row["error_type"]) for row in reversed(rows) if row["kind"] == "tool"]
    assert tools == [("lookup", "ok", ""), ("lookup", "error", "LookupError")]

    assert serving.stop() == 0
    assert rows_of_cli(serving.data) == rows
    again = serve(serving.data)
    assert rows_of_api(again) == rows
    assert {row["task"]: row["llm_calls"] for row in rows_of_cli(again.data, "cost_per_task")} == {"T-42": 5, "T-43": 3}


@pytest.mark.parametrize("form", ["grpc", "http protobuf", "http json"])
def test_every_entrance_leads_to_the_same_ledger(serve: Callable[..., Serving], tmp_path: Path, form: str) -> None:
    """The same spans over gRPC, protobuf and JSON are the same rows as by import, and sending them again adds none."""
    paths = sorted((CORPUS / "genai_anthropic").glob("traces-*.bin"))
    imported = tmp_path / "imported"
    assert run("import", *paths, "--data", imported).returncode == 0
    serving = serve()
    for path in [*paths, *paths]:
        for received in read_requests(path):
            send(form, serving, received.body)
    assert rows_of_api(serving) == rows_of_cli(imported)
    assert len(rows_of_api(serving)) == 9


def send(form: str, serving: Serving, request: ExportTraceServiceRequest) -> None:
    """Export one request in one of the forms of OTLP."""
    if form == "grpc":
        with grpc.insecure_channel(serving.grpc) as channel:
            TraceServiceStub(channel).Export(request, timeout=30)
        return
    import httpx

    json_form = form == "http json"
    content = to_json(request) if json_form else request.SerializeToString()
    kind = "application/json" if json_form else "application/x-protobuf"
    answer = httpx.post(f"{serving.http}/v1/traces", content=content, headers={"content-type": kind}, timeout=30)
    assert answer.status_code == 200, answer.text


def test_import_while_a_collector_runs_goes_through_it(serve: Callable[..., Serving]) -> None:
    """The same commands work while the collector holds the data directory."""
    serving = serve()
    ended = run("import", *sorted((CORPUS / "openinference").glob("*.bin")), "--data", serving.data)
    assert ended.returncode == 0, ended.stderr.decode()
    assert {row["team"] for row in rows_of_cli(serving.data) if row["dialect"] == "openinference"} >= {"search"}


def test_requests_under_way_at_sigterm_are_answered_and_kept(serve: Callable[..., Serving]) -> None:
    """A request that was accepted before SIGTERM is in the ledger after it."""
    serving = serve()
    (received,) = read_requests(CORPUS / "genai_openai" / "traces-001.bin")
    with grpc.insecure_channel(serving.grpc) as channel:
        under_way = TraceServiceStub(channel).Export.future(received.body, timeout=30)
        # Until the collector has it, its stop would rightly refuse it.
        with urlopen(f"{serving.api}/readyz") as response:
            assert json.load(response)["ready"] is True
        under_way.add_done_callback(lambda _: None)
        while not under_way.done() and not under_way.running():
            pass
        under_way.result()
    assert serving.stop() == 0
    assert len(rows_of_cli(serving.data)) == 2


def test_the_demo_shows_what_differs_and_a_second_run_adds_to_it(tmp_path: Path) -> None:
    """``spanledger demo`` ends with the tables; the next run finds the data of the first and adds new tasks."""
    first = run("demo", "--tasks", "1", "--data", tmp_path, *FREE_PORTS)
    assert first.returncode == 0, first.stderr.decode()
    output = first.stdout.decode()
    for expected in ("BUG-101", "DOC-101", "PR-101", "TICKET-101", "chat gpt-4.1", "run_tests", "OTLP/gRPC", "query"):
        assert expected in output
    assert run("demo", "--tasks", "1", "--data", tmp_path, *FREE_PORTS).returncode == 0
    tasks = {row["task"]: row for row in rows_of_cli(tmp_path, "cost_per_task")}
    assert {"BUG-101", "BUG-102", "PR-101", "PR-102"} <= set(tasks)
    assert tasks["BUG-101"]["llm_calls"] == 40
    assert tasks["BUG-101"]["tool_errors"] == 40
    assert float(tasks["DOC-101"]["total_cost_usd"]) > 5 * float(tasks["PR-102"]["total_cost_usd"])


def test_the_app_goes_on_without_a_collector() -> None:
    """A collector that is down costs the app nothing but its spans."""
    assert len(run_app("http://127.0.0.1:9")) == 9


def test_a_command_ended_by_its_reader_is_no_error(tmp_path: Path) -> None:
    """``spanledger query ... | head -1`` ends quietly."""
    assert run("import", *(CORPUS / "genai_openai").glob("*.bin"), "--data", tmp_path).returncode == 0
    command = " ".join([*SPANLEDGER, "query", "calls", "--format", "jsonl", "--data", str(tmp_path), "| head -1"])
    shell = ["bash", "-o", "pipefail", "-c", command]
    ended = subprocess.run(shell, check=False, capture_output=True, env=environment())
    assert (len(ended.stdout.splitlines()), ended.stderr) == (1, b"")
