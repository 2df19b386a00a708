"""The client against the API on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from spanledger_collector.errors import (
    BadInputError,
    BadParameterError,
    StoreUnavailableError,
    UnknownQueryError,
)
from spanledger_collector.query.library import Column, load
from spanledger_collector.web.client import ApiAsker

COLUMNS = tuple(column.name for column in load()["cost_per_task"].columns)
ROW = ("T-1 ü", "coder", "core", "2026-03-01T10:00:00Z", 2, 1, 0, 1, 0, 10, None, 5, Decimal("0.1"), 0, 0)


@pytest.fixture
def url(app: Starlette) -> Iterator[str]:
    """The address of the API, served by uvicorn on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def test_the_answer_is_that_of_the_store(url: str, store: Any) -> None:
    """Through the API come the same columns and values as from the store, money a ``Decimal``."""
    store.rows = [ROW]
    answer = ApiAsker(url).ask("cost_per_task", {"team": "a b&c=ü", "since": "2026-03-01T00:00:00+00:00"})
    assert (answer.columns, answer.rows) == (COLUMNS, [ROW])
    assert isinstance(answer.rows[0][COLUMNS.index("total_cost_usd")], Decimal)
    assert store.asked[0][1]["team"] == "a b&c=ü"


def test_an_empty_answer_has_its_columns(url: str) -> None:
    """An answer without rows still names its columns."""
    answer = ApiAsker(url).ask("cost_per_task", {})
    assert (answer.columns, answer.rows) == (COLUMNS, [])


def test_no_proxy_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy set for the internet is not asked for a collector."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ApiAsker(url).ask("cost_per_task", {}).rows == []


def test_mistakes_are_those_of_the_library(url: str) -> None:
    """A mistake reads the same through the API as from the store."""
    with pytest.raises(UnknownQueryError, match="did you mean 'calls'"):
        ApiAsker(url).ask("cals", {})
    with pytest.raises(BadParameterError, match="parameter 'limit' does not take 'ten'"):
        ApiAsker(url).ask("calls", {"limit": "ten"})


def test_a_store_that_is_down(url: str, store: Any) -> None:
    """The collector's word on its store is passed on, as something to try again."""
    store.go_down()
    with pytest.raises(StoreUnavailableError, match="ClickHouse at db:8123 did not answer"):
        ApiAsker(url).ask("calls", {})


def test_a_collector_of_another_version(url: str, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the collector's question has other columns than the command's, the way out is told."""
    store.rows = [ROW]
    query = load()["cost_per_task"]
    newer = replace(query, columns=(*query.columns, Column("new", "calls", "")))
    monkeypatch.setattr("spanledger_collector.web.client.find", lambda name: newer)
    with pytest.raises(BadInputError, match=r"without 'new': it is of another version .*; restart it"):
        ApiAsker(url).ask("cost_per_task", {})


def test_a_collector_that_is_gone() -> None:
    """Where nobody listens the message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match=f"http://127.0.0.1:{port} did not answer"):
        ApiAsker(f"http://127.0.0.1:{port}").ask("calls", {})
