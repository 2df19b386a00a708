"""Retention and status on an embedded store."""

from __future__ import annotations

from pathlib import Path

from spanledger_collector.config import Settings
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.retention import TIME_COLUMNS, apply_retention
from spanledger_collector.export.status import status_of
from spanledger_collector.export.store import Store, open_embedded

NEW_YEAR_NS = 1_767_225_600_000_000_000


def ttl_of(store: Store, table: str) -> str:
    """The part of a table's engine after TTL; '' without one."""
    ((engine,),) = store.query(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
        {"name": table},
    ).rows
    return str(engine).partition(" TTL ")[2].partition(" SETTINGS")[0]


def test_tables_are_altered_where_they_differ_and_only_then(tmp_path: Path) -> None:
    """The defaults are what the migrations made; a change is made once, and 0 keeps the rows for good."""
    store = open_embedded(tmp_path / "chdb")
    try:
        migrate(store)
        assert apply_retention(store, Settings().retention_days) == []
        wanted = {**Settings(traces_days=7, facts_days=0, calls_days=90).retention_days}
        assert apply_retention(store, wanted) == sorted(TIME_COLUMNS)
        assert ttl_of(store, "otel_traces") == "IngestedAt + toIntervalDay(7)"
        assert ttl_of(store, "calls") == f"{TIME_COLUMNS['calls']} + toIntervalDay(90)"
        assert ttl_of(store, "facts") == ""
        assert apply_retention(store, wanted) == []
        assert apply_retention(store, {"calls": 0}) == ["calls"]
        assert ttl_of(store, "calls") == ""

        empty = status_of(store)
        assert (empty["oldest_call"], empty["newest_call"]) == (None, None)
        store.insert(
            "calls", ("call_id", "started_at", "is_deleted"), [["a", "b"], [1_767_225_600_000_000_000, 1], [0, 1]]
        )
        state = status_of(store)
        assert (state["oldest_call"], state["newest_call"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        tables = {row["table"]: row for row in state["tables"]}
        assert tables["calls"]["rows"] >= 1
        assert tables["calls"]["bytes"] > 0
        assert tables["facts"] == {"table": "facts", "rows": 0, "bytes": 0, "parts": 0}
    finally:
        store.close()
