"""An API on a store held in memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.query.ports import Answer
from spanledger_collector.web.api import create_app


class MemoryStore:
    """Answers every statement with ``rows``; remembers the statements, and how many ran at one time."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.hold: threading.Barrier | None = None
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()

    def query(self, sql: str, parameters: dict[str, Any]) -> Answer:
        """See ``Store``."""
        with self._lock:
            self.asked.append((sql, parameters))
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            if self.hold is not None:
                self.hold.wait(timeout=30)
            if self.error is not None:
                raise self.error
            return Answer((), self.rows)
        finally:
            with self._lock:
                self._running -= 1

    def go_down(self) -> None:
        """Every further statement finds the store gone."""
        self.error = StoreUnavailableError("ClickHouse at db:8123 did not answer")


@pytest.fixture
def store() -> MemoryStore:
    """A store without rows."""
    return MemoryStore()


@pytest.fixture
def state() -> dict[str, Any]:
    """What the collector's health says; a test may change it."""
    return {"ready": True, "queue": 0}


@pytest.fixture
def app(store: MemoryStore, state: dict[str, Any]) -> Starlette:
    """The API on that store and that health, with one counter of its own."""
    registry = CollectorRegistry()
    Counter("spans_received", "Spans received.", registry=registry).inc(3)
    return create_app(store, health=lambda: state, registry=registry)
