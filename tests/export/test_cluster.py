"""The migrations for a cluster: every statement has a form, and ClickHouse's own parser takes it."""

from __future__ import annotations

import re

import pytest

from spanledger_collector.export.cluster import SHARD_BY, UnclusteredError, clustered
from spanledger_collector.export.migrate import BOOKKEEPING, migrations, statements
from spanledger_collector.export.store import Store
from spanledger_collector.export.store_settings import (
    CLUSTER_SETTINGS,
    EMBEDDED_SETTINGS,
    INSERT_SETTINGS,
    WRITE_SETTINGS,
)

ALL = [BOOKKEEPING, *(statement for _, _, sql in migrations() for statement in statements(sql))]


def test_every_statement_of_the_migrations_parses_for_a_cluster(store: Store) -> None:
    """Nothing is left out, and of tables and views nothing is made or dropped on one host only."""
    for statement in ALL:
        for made in clustered(statement, "prod"):
            moves_rows = re.match(r"INSERT INTO \w+ SELECT|SELECT throwIf", made)
            assert moves_rows or re.search(r" ON CLUSTER `prod`(\s|$)", made)
            store.query("SELECT formatQuery({sql:String})", {"sql": made})
            store.query(f"EXPLAIN AST {made}")


def test_without_a_cluster_the_statements_are_as_written() -> None:
    """One host gets the text of the migrations."""
    assert [clustered(statement, "") for statement in ALL] == [[statement] for statement in ALL]


def test_a_table_becomes_a_replicated_and_a_distributed_one() -> None:
    """Columns, order and time to live are kept; the engine and the dedup window are the replicated ones."""
    statement = (
        "CREATE TABLE IF NOT EXISTS calls (a String, f DateTime64(9, 'UTC')) ENGINE = ReplacingMergeTree(v, d)\n"
        "ORDER BY a TTL f + INTERVAL 1 DAY\nSETTINGS non_replicated_deduplication_window = 1000"
    )
    assert clustered(statement, "c") == [
        "CREATE TABLE IF NOT EXISTS calls_local ON CLUSTER `c` (a String, f DateTime64(9, 'UTC')) "
        "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', v, d)\n"
        "ORDER BY a TTL f + INTERVAL 1 DAY\nSETTINGS replicated_deduplication_window = 1000",
        "CREATE TABLE IF NOT EXISTS calls ON CLUSTER `c` AS calls_local "
        "ENGINE = Distributed('c', currentDatabase(), 'calls_local', cityHash64(call_id))",
    ]


def test_a_table_like_another_is_like_its_local_one() -> None:
    """It has the columns and indices of the table that holds rows, and an engine, an order and settings of its own."""
    statement = "CREATE TABLE IF NOT EXISTS a AS b\nENGINE = ReplacingMergeTree(v)\nORDER BY (c, d)"
    assert clustered(statement, "c") == [
        "CREATE TABLE IF NOT EXISTS a_local ON CLUSTER `c` AS b_local "
        "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', v)\n"
        "ORDER BY (c, d)",
        "CREATE TABLE IF NOT EXISTS a ON CLUSTER `c` AS a_local "
        "ENGINE = Distributed('c', currentDatabase(), 'a_local', 0)",
    ]


def test_a_dropped_table_leaves_its_place_in_the_keeper_at_once() -> None:
    """Both tables go, the one that holds rows with SYNC: one of the same name may follow. A view is one."""
    assert clustered("DROP TABLE IF EXISTS t", "c") == [
        "DROP TABLE IF EXISTS t ON CLUSTER `c`",
        "DROP TABLE IF EXISTS t_local ON CLUSTER `c` SYNC",
    ]
    assert clustered("DROP VIEW IF EXISTS v", "c") == ["DROP VIEW IF EXISTS v ON CLUSTER `c`"]


def test_rows_are_moved_once_for_all_shards() -> None:
    """An INSERT ... SELECT and a check of rows go through the Distributed tables, to one replica of each shard."""
    for statement in ("INSERT INTO t SELECT * FROM s FINAL", "SELECT throwIf(count() > 0) FROM s"):
        assert clustered(statement, "c") == [
            f"{statement} SETTINGS load_balancing = 'in_order', prefer_localhost_replica = 0"
        ]


def test_a_view_works_within_its_shard() -> None:
    """A materialized view reads and feeds the local tables, and keeps what follows its source."""
    made = clustered("CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS\nSELECT x, count()\nFROM s\nGROUP BY x", "c")
    assert made == [
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER `c` TO t_local AS\nSELECT x, count()\n"
        "FROM s_local\nGROUP BY x"
    ]


def test_a_view_without_rows_of_its_own_is_on_every_host() -> None:
    """It reads the Distributed tables by the names they have everywhere."""
    made = clustered("CREATE VIEW IF NOT EXISTS v AS\nSELECT x\nFROM s", "c")
    assert made == ["CREATE VIEW IF NOT EXISTS v ON CLUSTER `c` AS\nSELECT x\nFROM s"]


def test_a_named_question_asks_all_shards() -> None:
    """A plain view reads the distributed tables, and is made on every host."""
    assert clustered("CREATE VIEW IF NOT EXISTS v AS\nSELECT x FROM calls FINAL", "c") == [
        "CREATE VIEW IF NOT EXISTS v ON CLUSTER `c` AS\nSELECT x FROM calls FINAL"
    ]


def test_columns_change_in_both_tables_and_all_else_in_the_local_one() -> None:
    """A Distributed table has columns, and no index, time to live or setting."""
    added = clustered("ALTER TABLE t ADD COLUMN IF NOT EXISTS a String", "c")
    assert added == [
        "ALTER TABLE t_local ON CLUSTER `c` ADD COLUMN IF NOT EXISTS a String",
        "ALTER TABLE t ON CLUSTER `c` ADD COLUMN IF NOT EXISTS a String",
    ]
    assert clustered("ALTER TABLE t MODIFY TTL a", "c") == ["ALTER TABLE t_local ON CLUSTER `c` MODIFY TTL a"]


def test_shards_are_by_columns_that_the_tables_have(store: Store) -> None:
    """The column that decides the shard is one of its table, and part of what identifies a row there."""
    assert SHARD_BY["calls_moving"] == SHARD_BY["calls"]
    for table, column in SHARD_BY.items():
        if table == "calls_moving":  # which no migrated store has
            continue
        found = store.query(
            "SELECT count() FROM system.columns WHERE database = currentDatabase() "
            "AND table = {table:String} AND name = {column:String} AND is_in_sorting_key",
            {"table": table, "column": column},
        )
        assert found.rows == [(1,)], (table, column)


def test_an_unknown_statement_is_refused() -> None:
    """A migration of a new kind fails here before it runs on one host of many."""
    with pytest.raises(UnclusteredError, match="OPTIMIZE TABLE calls"):
        clustered("OPTIMIZE TABLE calls FINAL", "prod")


def test_settings_of_our_own_are_settings_of_clickhouse(store: Store) -> None:
    """A name that it does not know would be refused, or passed over, on the server alone."""
    wanted = {*CLUSTER_SETTINGS, *WRITE_SETTINGS, *EMBEDDED_SETTINGS}.union(*INSERT_SETTINGS.values())
    known = {name for (name,) in store.query("SELECT name FROM system.settings").rows}
    assert wanted <= known
    assert CLUSTER_SETTINGS["load_balancing"] == "in_order"
