"""Read your writes: an answer holds everything that was acknowledged before the question was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spanledger_collector.query.ports import Result, Store


class ReadYourWrites:
    """A store for questions; ``catch_up`` waits until what is in the journal now has reached the store."""

    def __init__(self, store: Store, catch_up: Callable[[], object]) -> None:
        self._store = store
        self._catch_up = catch_up

    def query(self, sql: str, parameters: dict[str, Any]) -> Result:
        """See ``query.ports.Store``."""
        self._catch_up()
        return self._store.query(sql, parameters)
