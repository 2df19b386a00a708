"""One embedded store for each module here: chDB opens one directory per process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated embedded store in a fresh directory."""
    store = open_embedded(tmp_path_factory.mktemp("store"))
    try:
        migrate(store)
        yield store
    finally:
        store.close()


@pytest.fixture
def store(embedded: Store) -> Store:
    """The module's store with empty tables."""
    for table in ("calls", "facts", "otel_traces"):
        embedded.command(f"TRUNCATE TABLE {table}")
    return embedded


@pytest.fixture
def corpus() -> Path:
    """The folder with the captured spans."""
    return Path(__file__).parents[1] / "corpus"
