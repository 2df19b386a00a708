"""Migration 7: a store without the hour in the key of `calls` goes on, wherever the migration was cut short."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from spanledger_collector.export.migrate import BOOKKEEPING, migrate, migrations, statements
from spanledger_collector.export.roll_up import RollUps
from spanledger_collector.export.store import Store, StoreError, open_embedded

OLD = [one for one in migrations() if one[0] < 7]
SQL = next(sql for number, _, sql in migrations() if number == 7)
STATEMENTS = statements(SQL)
FIRST_MOVE = next(n for n, one in enumerate(STATEMENTS) if one.startswith("CREATE TABLE IF NOT EXISTS calls_moving"))
LAST_MOVE = STATEMENTS.index("DROP TABLE IF EXISTS calls_moving") + 1
ROLL_UPS = ("rolled_period", "call_rollup", "run_rollup", "waste_rollup")
OLD_VIEWS = ("call_groups", "wasted", "waste_of_day")
COLUMNS = (
    "call_id",
    "kind",
    "started_at",
    "task",
    "input_tokens",
    "web_searches",
    "input_bytes",
    "version",
    "is_deleted",
)
STRUCTURE = (
    "SELECT name, type, compression_codec, default_expression FROM system.columns "
    "WHERE database = currentDatabase() AND table = 'calls' ORDER BY position"
)
INDICES = "SELECT name, expr, type_full FROM system.data_skipping_indices WHERE table = 'calls' ORDER BY name"
EVERYTHING = "SELECT * FROM calls FINAL ORDER BY call_id"


class DiedError(Exception):
    """Stands for the end of the process."""


def row(call_id: str, started_at: datetime, version: int, is_deleted: int = 0) -> tuple[Any, ...]:
    """A row of `calls` that tells its version in all its figures."""
    return (call_id, "llm", started_at, f"task of {version}", version, version + 1, version + 2, version, is_deleted)


def write(store: Store, *rows: tuple[Any, ...]) -> None:
    """Insert the rows as one part a month, which stays as it is."""
    store.insert("calls", COLUMNS, list(zip(*rows, strict=True)))


def make_old(store: Store, months: int) -> None:
    """Give the store the tables of migrations 1 to 6, with calls and roll-ups."""
    for name in (*OLD_VIEWS, "rated_call"):
        store.command(f"DROP VIEW IF EXISTS {name}")
    for name in ("calls", "calls_moving", "rolled_day", *ROLL_UPS, "schema_migrations"):
        store.command(f"DROP TABLE IF EXISTS {name}")
    store.command(BOOKKEEPING)
    for number, name, sql in OLD:
        for statement in statements(sql):
            store.command(statement)
        store.insert("schema_migrations", ("number", "name"), ((number,), (name,)))
    store.command("SYSTEM STOP MERGES calls")
    times = [datetime(2015 + month // 12, month % 12 + 1, 3, 10, tzinfo=UTC) for month in range(months)]
    later = [time.replace(hour=11) for time in times]
    number = range(months)
    write(store, *(row(f"kept {n}", times[n], 1) for n in number), *(row(f"tied {n}", times[n], 3, 1) for n in number))
    write(store, *(row(f"richer {n}", times[n], 2) for n in number))
    write(store, *(row(f"richer {n}", times[n], 1) for n in number), *(row(f"hour {n}", times[n], 1) for n in number))
    write(store, *(row(f"hour {n}", later[n], 2) for n in number), *(row(f"gone {n}", times[n], 1) for n in number))
    write(
        store, *(row(f"gone {n}", times[n], 2, 1) for n in number), *(row(f"back {n}", times[n], 2, 1) for n in number)
    )
    write(store, *(row(f"back {n}", times[n], 3) for n in number), *(row(f"tied {n}", times[n], 3) for n in number))
    store.command("INSERT INTO rolled_day SELECT toDate(started_at), now64(6), now64(6), now64(6) FROM calls")
    store.command("INSERT INTO call_rollup (day, calls) SELECT toDate(started_at), 1 FROM calls")
    store.command("INSERT INTO waste_rollup (day, rule) SELECT toDate(started_at), '' FROM calls")


def die_after(store: Store, statement_number: int) -> None:
    """Migrate until that many statements of migration 7 have run."""
    run = 0

    def command(sql: str) -> None:
        nonlocal run
        if sql in STATEMENTS:
            if run == statement_number:
                raise DiedError
            run += 1
        Store.command(store, sql)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(DiedError):
        patch.setattr(store, "command", command)
        migrate(store)


def assert_moved(store: Store, before: list[tuple[Any, ...]]) -> None:
    """The ledger answers as ``before``, by its new key, and the roll-ups begin anew."""
    assert store.query(EVERYTHING).rows == before
    found = store.query(
        "SELECT name, sorting_key FROM system.tables "
        "WHERE database = currentDatabase() AND name IN {names:Array(String)}",
        {"names": ["calls", "calls_moving", "rolled_day", *OLD_VIEWS]},
    )
    assert found.rows == [("calls", "toDate(started_at), toHour(started_at), call_id")]
    for table in ROLL_UPS:
        assert store.query(f"SELECT count() FROM {table}").rows == [(0,)]


@pytest.fixture(scope="module")
def emptied_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for ``make_old``."""
    store = open_embedded(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


def test_a_store_without_hours_gets_them(emptied_store: Store) -> None:
    """Rows, columns and indices stay, over more months than an insert may have without a word."""
    store = emptied_store
    make_old(store, months=2)
    write(store, *(row(f"old {n}", datetime(2005 + n // 12, n % 12 + 1, 3, tzinfo=UTC), 1) for n in range(101)))
    before, structure, indices = (store.query(sql).rows for sql in (EVERYTHING, STRUCTURE, INDICES))
    assert {call[0].split()[0] for call in before} == {"kept", "richer", "hour", "back", "tied", "old"}
    assert len(before) == 5 * 2 + 101
    assert migrate(store)[0] == 7
    assert_moved(store, before)
    assert store.query(STRUCTURE).rows == structure
    assert store.query(INDICES).rows == indices
    assert migrate(store) == []


def test_versions_and_marks_move_with_their_rows(emptied_store: Store) -> None:
    """What was deleted or replaced stays so when an older copy of it comes late, and a newer one counts."""
    make_old(emptied_store, months=1)
    before = emptied_store.query(EVERYTHING).rows
    migrate(emptied_store)
    late = datetime(2015, 1, 3, 10, tzinfo=UTC)
    write(emptied_store, row("gone 0", late, 1), row("richer 0", late, 1), row("back 0", late, 2))
    assert emptied_store.query(EVERYTHING).rows == before
    write(emptied_store, row("gone 0", late, 3))
    assert [call[0] for call in emptied_store.query(EVERYTHING).rows if call not in before] == ["gone 0"]


def test_roll_ups_are_built_from_what_was_moved(emptied_store: Store) -> None:
    """Those of before are gone, and the first round makes them of all calls."""
    make_old(emptied_store, months=2)
    migrate(emptied_store)
    assert RollUps(emptied_store).make()
    assert emptied_store.query("SELECT sum(calls) FROM call_rollup WHERE grain = 'day'").rows == [(5 * 2,)]


@pytest.mark.parametrize("statement_number", range(FIRST_MOVE + 1, LAST_MOVE + 1))
def test_a_migration_that_died_begins_again(emptied_store: Store, statement_number: int) -> None:
    """After each statement that moves rows: nothing is lost, and nothing is there twice."""
    make_old(emptied_store, months=2)
    before = emptied_store.query(EVERYTHING).rows
    die_after(emptied_store, statement_number)
    assert migrate(emptied_store)[0] == 7
    assert_moved(emptied_store, before)


def test_a_migration_that_dies_after_every_statement_comes_to_its_end(emptied_store: Store) -> None:
    """Each time it gets one further, and the last time only the note is missing that it is done."""
    make_old(emptied_store, months=2)
    before = emptied_store.query(EVERYTHING).rows
    for statement_number in range(1, len(STATEMENTS)):
        die_after(emptied_store, statement_number)
    for statement in STATEMENTS:
        emptied_store.command(statement)
    assert migrate(emptied_store)[0] == 7
    assert_moved(emptied_store, before)


@pytest.mark.parametrize("table", ["calls_moving", "calls"])
def test_a_copy_that_was_cut_short_begins_again(emptied_store: Store, table: str) -> None:
    """Rows that had come over are not there twice, and those that had not are not lost."""
    make_old(emptied_store, months=2)
    before = emptied_store.query(EVERYTHING).rows
    copy = f"INSERT INTO {table} SELECT * FROM {'calls FINAL' if table == 'calls_moving' else 'calls_moving FINAL'}"
    die_after(emptied_store, STATEMENTS.index(copy))
    emptied_store.command(f"{copy} LIMIT 3")
    assert migrate(emptied_store)[0] == 7
    assert_moved(emptied_store, before)


@pytest.mark.parametrize("table", ["calls", "calls_moving"])
def test_rows_that_did_not_come_over_are_not_dropped(emptied_store: Store, table: str) -> None:
    """Where another process meddles, the table that has the rows stays, and the migration says why it ends."""
    make_old(emptied_store, months=2)
    before = emptied_store.query(EVERYTHING).rows
    drop = STATEMENTS.index(f"DROP TABLE IF EXISTS {table}")
    check = max(n for n in range(drop) if STATEMENTS[n].startswith("SELECT throwIf"))
    die_after(emptied_store, check)
    emptied_store.command(f"TRUNCATE TABLE {'calls_moving' if table == 'calls' else 'calls'}")
    with pytest.raises(StoreError, match="let one process migrate"):
        emptied_store.command(STATEMENTS[check])
    assert migrate(emptied_store)[0] == 7
    assert_moved(emptied_store, before)
