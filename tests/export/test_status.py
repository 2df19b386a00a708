"""``spanledger status`` on stores that are not as this version makes them: it looks, and leaves them as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spanledger_collector.cli.commands import spanledger
from spanledger_collector.collector import open_store
from spanledger_collector.config import Settings
from spanledger_collector.export.store import open_embedded, open_server

from .conftest import chdb_server, migrate_to


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where a server answers that never heard of spanledger."""
    with chdb_server(tmp_path / "server") as (url, _):
        yield url


def status(*arguments: str) -> Result:
    """What the command answers."""
    return CliRunner().invoke(spanledger, ["status", *arguments])


def tables_at(url: str) -> list[tuple[Any, ...]]:
    """The tables that a server has beside its own, of every database."""
    store = open_server(url.rpartition("/")[0] + "/default", timeout_s=30)
    try:
        return store.query("SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree'").rows
    finally:
        store.close()


def test_a_server_without_tables_stays_without(url: str, tmp_path: Path) -> None:
    """Who asks a new server is told that it has nothing to show, and nothing is made by the question."""
    asked = status("--clickhouse", url, "--data", str(tmp_path), "--format", "json")
    assert asked.exit_code == 1
    assert json.loads(asked.output)["tables"] == []
    assert tables_at(url) == []


def test_a_database_without_tables_is_told_the_way_out(url: str, tmp_path: Path) -> None:
    """Where the database is there and empty, the answer names the commands that make the tables."""
    open_server(url, timeout_s=30).close()
    asked = status("--clickhouse", url, "--data", str(tmp_path))
    assert asked.exit_code == 1
    assert "it has no tables of spanledger yet; `spanledger serve` or `migrate` makes them" in asked.output
    assert tables_at(url) == []


def test_an_older_server_is_shown_and_stays_as_it_is(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server of an earlier version the tables are shown and what is to be applied, and that is not applied."""
    store = open_server(url, timeout_s=30)
    migrate_to(9, store, monkeypatch)
    store.close()
    for _ in range(2):
        asked = status("--clickhouse", url, "--data", str(tmp_path))
        assert asked.exit_code == 0
        assert (
            "migrations   0010 are to be applied yet; the next `spanledger serve` or `migrate` does it" in asked.output
        )
        assert "otel_traces" in asked.output


def test_an_older_directory_is_shown_and_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of the embedded store; once it is migrated nothing is missing any more."""
    store = open_embedded(tmp_path / "chdb")
    migrate_to(9, store, monkeypatch)
    store.close()
    for _ in range(2):
        state = json.loads(status("--data", str(tmp_path), "--format", "json").output)
        assert (state["store"], state["missing_migrations"]) == ("ok", [10])
    with open_store(Settings(data=tmp_path)):
        pass
    assert "to be applied" not in status("--data", str(tmp_path)).output
