"""An insert whose answer was lost is done again: no table has more for it, and the view's table has no less."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.store import Store, StoreError, sync_inserts

COLUMNS = ("Timestamp", "TraceId", "SpanId", "SpanName", "ServiceName")


def span(second: int) -> list[list[Any]]:
    """The columns of one span of a trace."""
    return [
        [datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=second)],
        ["t"],
        [f"s{second}"],
        ["n"],
        ["app"],
    ]


def test_start_and_end_of_a_trace_do_not_change_when_spans_come_again(store: Store) -> None:
    """`otel_traces_trace_id_ts` keeps the least start and the greatest end, which repetition cannot change.

    min and max are idempotent, so its rows need no deduplication; that the view is fed again is what matters: a crash
    between the insert and the view is mended by the retry, also within the second in which the same block is dropped
    as a duplicate by `otel_traces`.
    """
    store.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    first, second = span(1), span(5)
    for columns in (first, second, first, second, first):
        store.insert("otel_traces", COLUMNS, columns)
    bounds = "SELECT min(Start), max(End) FROM otel_traces_trace_id_ts WHERE TraceId = 't'"
    expected = store.query(bounds).rows
    assert expected[0][1] - expected[0][0] == timedelta(seconds=4)
    # What a crash right after the insert would leave.
    store.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    for columns in (first, second):
        store.insert("otel_traces", COLUMNS, columns)
    assert store.query(bounds).rows == expected
    assert store.query("SELECT count() FROM otel_traces FINAL").rows == [(2,)]


def test_inserts_into_the_embedded_store_survive_the_machine(store: Store) -> None:
    """The journal forgets a request once the store has it, so by then it must be on disk there."""
    sync_inserts(store)
    tables = store.query(
        "SELECT name, create_table_query FROM system.tables "
        "WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).rows
    assert {"calls", "facts", "otel_traces", "otel_traces_trace_id_ts"} <= {name for name, _ in tables}
    assert all("fsync_after_insert = 1, fsync_part_directory = 1" in text for _, text in tables)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (OperationalError("connection refused"), StoreUnavailableError),
        (DatabaseError("Code: 243. DB::Exception: Cannot reserve 1.00 MiB"), StoreUnavailableError),
        (DatabaseError("Code: 1001. DB::Exception: std::exception: No space left on device"), StoreUnavailableError),
        (DatabaseError("Code: 252. DB::Exception: Too many parts"), StoreUnavailableError),
        (OSError(28, "No space left on device"), StoreUnavailableError),
        (DatabaseError("Code: 6. DB::Exception: Cannot parse"), StoreError),
    ],
)
def test_what_may_pass_is_told_from_what_never_will(
    failure: Exception, expected: type[Exception], monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """A full disk or a busy server is tried again; only what is wrong with the rows themselves is given up."""

    def fail(*_: object, **__: object) -> Callable[..., None]:
        raise failure

    monkeypatch.setattr(store._write_client, "insert", fail)
    with pytest.raises(expected) as error:
        store.insert("otel_traces", COLUMNS, span(1))
    assert type(error.value) is expected
    assert getattr(error.value, "code", 6) == 6
