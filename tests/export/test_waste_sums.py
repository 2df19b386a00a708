"""Migration 8: rows of `waste_rollup` tell what they come to, whoever wrote them and when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.export.migrate import BOOKKEEPING, migrate, migrations, statements
from spanledger_collector.export.store import Store, open_embedded

SQL = next(sql for number, _, sql in migrations() if number == 8)
OLD_COLUMNS = ("built", "day", "rule", "task", "started_at", "femto_usd", "call_ids")
HOUR_S = 1_780_315_200
"""2026-06-01T12:00:00Z."""
LOOP = (HOUR_S * 10**6, 20_605, "loop", "T-1", [HOUR_S * 10**9 + 1, HOUR_S * 10**9 + 5], [3, 10**30], ["a", "b"])
SMALL_ANSWER = (HOUR_S * 10**6, 20_605, "dear_small_answer", "T-2", [HOUR_S * 10**9 + 2], [7], ["c"])
SUMS = (
    "SELECT task, calls, wasted_femto_usd, toUnixTimestamp64Nano(first_started_at), "
    "toUnixTimestamp64Nano(last_started_at), small_answers_femto_usd FROM waste_rollup ORDER BY task"
)
EXPECTED = [
    ("T-1", 2, 3 + 10**30, HOUR_S * 10**9 + 1, HOUR_S * 10**9 + 5, []),
    ("T-2", 1, 7, HOUR_S * 10**9 + 2, HOUR_S * 10**9 + 2, [7]),
]


def write(store: Store, *rows: tuple[Any, ...]) -> None:
    """Insert rows as a collector does that does not know of the sums."""
    store.insert("waste_rollup", OLD_COLUMNS, list(zip(*rows, strict=True)))


@pytest.fixture
def old_store(tmp_path: Path) -> Iterator[Store]:
    """A store as migration 7 left it."""
    store = open_embedded(tmp_path)
    store.command(BOOKKEEPING)
    for number, name, sql in migrations():
        if number < 8:
            for statement in statements(sql):
                store.command(statement)
            store.insert("schema_migrations", ("number", "name"), ((number,), (name,)))
    yield store
    store.close()


def test_rows_from_before_and_after_have_their_sums(old_store: Store) -> None:
    """What was rolled up need not be again, and an older collector beside the new one does no harm."""
    write(old_store, LOOP)
    assert migrate(old_store)[0] == 8
    write(old_store, SMALL_ANSWER)
    assert old_store.query(SUMS).rows == EXPECTED


def test_a_migration_that_died_begins_again(old_store: Store) -> None:
    """After any of its statements: those before it do nothing when they come again."""
    write(old_store, LOOP, SMALL_ANSWER)
    for statement in statements(SQL):
        old_store.command(statement)
    assert migrate(old_store)[0] == 8
    assert old_store.query(SUMS).rows == EXPECTED
