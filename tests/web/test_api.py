"""The HTTP API: answers, errors, health, metrics."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from spanledger_collector.query.library import load

UNPRICED_ROW = tuple(
    {"request_model": "house-model", "unpriced_tokens": None}.get(column.name, 0)
    for column in load()["unpriced"].columns
)


@pytest.fixture
def api(app: Starlette) -> TestClient:
    """A client that gets a 500 as a browser would."""
    return TestClient(app, raise_server_exceptions=False)


def test_the_catalogue(api: TestClient) -> None:
    """Every question is described by its header, and no statement leaves the collector."""
    catalogue = {query["name"]: query for query in api.get("/api/queries").json()}
    assert catalogue.keys() == load().keys()
    calls = catalogue["calls"]
    assert calls["purpose"] == load()["calls"].purpose
    assert calls["parameters"][-1] == {
        "name": "limit",
        "type": "UInt64",
        "default": "0",
        "meaning": "at most this many rows; 0 is all",
    }
    assert calls["columns"][0]["name"] == "call_id"
    assert "SELECT" not in json.dumps(list(catalogue.values()))


def test_an_answer_runs_the_file_with_the_parameters(api: TestClient, store: Any) -> None:
    """The query string fills the placeholders of the question's own statement."""
    store.rows = [UNPRICED_ROW]
    answer = api.get("/api/queries/unpriced", params={"team": "core", "since": "2026-03-01T00:00:00Z"})
    assert answer.json()[0]["request_model"] == "house-model"
    (sql, parameters) = store.asked[0]
    assert sql == load()["unpriced"].sql
    assert (parameters["team"], parameters["since"]) == ("core", "2026-03-01 00:00:00.000000000")


def test_who_went_away_is_not_answered(app: Starlette, store: Any) -> None:
    """A question whose reader is gone when its turn comes is not asked of the store."""
    path = "/api/queries/calls"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor() as elsewhere:
        # Of this thread's own the browser tests may have a loop running.
        elsewhere.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    assert store.asked == []
    assert sent[0]["status"] == 499


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("json", "application/json"), ("jsonl", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")],
)
def test_forms(api: TestClient, store: Any, form: str, media_type: str) -> None:
    """An answer comes in each form under its media type."""
    store.rows = [UNPRICED_ROW]
    answer = api.get("/api/queries/unpriced", params={"format": form})
    assert answer.headers["content-type"] == media_type
    assert "house-model" in answer.text


def test_money_is_a_string(api: TestClient, store: Any) -> None:
    """Dollars reach the client exactly; an unknown cost is null."""
    width = len(load()["spend_total"].columns)
    place = [column.name for column in load()["spend_total"].columns].index("total_cost_usd")
    for cost, told in ((Decimal("0.100000000001"), "0.100000000001"), (None, None)):
        store.rows = [(0,) * place + (cost,) + (0,) * (width - place - 1)]
        assert api.get("/api/queries/spend_total").json()[0]["total_cost_usd"] == told


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/queries/cals", 404, "did you mean 'calls'?"),
        ("/api/queries/calls?limit=ten", 400, "parameter 'limit' does not take 'ten'"),
        ("/api/queries/calls?sql=SELECT%201", 400, "takes no parameter 'sql'"),
        ("/api/queries/calls?format=xml", 400, "there are: json, jsonl, csv"),
        ("/nowhere", 404, "Not Found"),
        ("/%2e%2e/headers.py", 404, "Not Found"),
    ],
)
def test_mistakes(api: TestClient, store: Any, path: str, status: int, text: str) -> None:
    """A mistake is answered as JSON with its status and the way out, and the store is not asked."""
    answer = api.get(path)
    assert answer.status_code == status
    assert text in answer.json()["error"]
    assert store.asked == []


def test_a_statement_cannot_be_posted(api: TestClient, store: Any) -> None:
    """The API only reads: any other method is refused."""
    assert api.post("/api/queries/calls", content="SELECT 1").status_code == 405
    assert store.asked == []


def test_a_store_that_is_down(api: TestClient, store: Any) -> None:
    """A store that does not answer is 503 with the advice to try again."""
    store.go_down()
    answer = api.get("/api/queries/calls")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": "ClickHouse at db:8123 did not answer"}


def test_a_fault_of_ours_tells_nothing(api: TestClient, store: Any) -> None:
    """An unforeseen error is 500, and its text stays in the log."""
    store.error = RuntimeError("a secret")
    answer = api.get("/api/queries/calls")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_health(api: TestClient, state: dict[str, Any]) -> None:
    """Readiness follows what health says; liveness does not."""
    assert (api.get("/readyz").status_code, api.get("/readyz").json()) == (200, state)
    state["ready"] = False
    assert api.get("/readyz").status_code == 503
    assert api.get("/healthz").json() == {"status": "ok"}


def test_metrics(api: TestClient) -> None:
    """The registry passed in is exposed as Prometheus reads it."""
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "spans_received_total 3.0" in answer.text


def test_the_store_is_asked_by_a_few_at_a_time(app: Starlette, store: Any) -> None:
    """Twelve readers at once are all answered, four by four, while health still answers."""
    store.hold = threading.Barrier(4)
    with TestClient(app) as api, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: api.get("/api/queries/calls").status_code, range(12)))
        assert api.get("/healthz").status_code == 200
    assert answers == [200] * 12
    assert store.most_at_once == 4
