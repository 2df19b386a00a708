"""Whether the collector can do its work, found out within a bounded time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from spanledger_collector.errors import SpanledgerError
from spanledger_collector.query.ports import Store

CHECK_TIMEOUT_S = 2.0


class StoreProbe:
    """Asks the store for a sign of life; one question at a time, whoever asks how often."""

    def __init__(self, store: Store, timeout_s: float = CHECK_TIMEOUT_S) -> None:
        self._store = store
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._answer = ""

    def __call__(self) -> str:
        """``ok``, or why not: ``unreachable``, or ``slow`` where there is no answer within the timeout."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                # A thread of its own: one that waits for a store that hangs cannot be taken back.
                self._asking = threading.Thread(target=self._ask, daemon=True, name="health")
                self._asking.start()
            asking = self._asking
        asking.join(self._timeout_s)
        return "slow" if asking.is_alive() else self._answer

    def _ask(self) -> None:
        try:
            self._store.query("SELECT 1", {})
            self._answer = "ok"
        except SpanledgerError:
            self._answer = "unreachable"


def state_of(parts: Mapping[str, Callable[[], str]]) -> dict[str, Any]:
    """What ``/readyz`` answers: each part by name, and ``ready`` where all of them say ``ok``."""
    state: dict[str, Any] = {name: ask() for name, ask in parts.items()}
    return {"ready": all(said == "ok" for said in state.values()), **state}
