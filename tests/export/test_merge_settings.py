"""How often an embedded store merges its parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded

from .conftest import migrate_to

WANTED = {"calls": 10, "facts": 16, "otel_traces": 16}


def bases_of(store: Store) -> dict[str, int]:
    """``merge_selector_base`` of the tables that state one of their own."""
    rows = store.query(
        "SELECT name, extract(engine_full, 'merge_selector_base = (\\d+)') AS base FROM system.tables "
        "WHERE database = currentDatabase() AND base != ''"
    ).rows
    return {str(name): int(base) for name, base in rows}


def test_an_older_store_merges_less_often_once_it_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of migration 9 has ClickHouse's own base; the tenth gives the tables theirs, which outlive a restart."""
    store = open_embedded(tmp_path / "chdb")
    try:
        migrate_to(9, store, monkeypatch)
        assert bases_of(store) == {}
        assert 10 in migrate(store)
        assert bases_of(store) == WANTED
    finally:
        store.close()
    store = open_embedded(tmp_path / "chdb")
    try:
        assert bases_of(store) == WANTED
    finally:
        store.close()
