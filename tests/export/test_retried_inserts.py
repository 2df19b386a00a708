"""An insert whose answer was lost is done again: no table has more for it, and the view's table has no less."""

from __future__ import annotations

import logging
import traceback
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


def test_start_and_end_of_a_trace_do_not_change_when_spans_come_again(any_store: Store) -> None:
    """`otel_traces_trace_id_ts` keeps the least start and the greatest end, which repetition cannot change.

    min and max are idempotent, so its rows need no deduplication; that the view is fed again is what matters: a crash
    between the insert and the view is mended by the retry, also within the second in which the same block is dropped
    as a duplicate by `otel_traces`.
    """
    any_store.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    first, second = span(1), span(5)
    for columns in (first, second, first, second, first):
        any_store.insert("otel_traces", COLUMNS, columns)
    bounds = "SELECT min(Start), max(End) FROM otel_traces_trace_id_ts WHERE TraceId = 't'"
    expected = any_store.query(bounds).rows
    assert expected[0][1] - expected[0][0] == timedelta(seconds=4)
    # What a crash right after the insert would leave.
    any_store.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    for columns in (first, second):
        any_store.insert("otel_traces", COLUMNS, columns)
    assert any_store.query(bounds).rows == expected
    assert any_store.query("SELECT count() FROM otel_traces FINAL").rows == [(2,)]


def test_inserts_into_the_embedded_store_survive_the_machine(store: Store) -> None:
    """The journal forgets a request once the store has it, so by then it must be on disk there."""
    sync_inserts(store)
    tables = store.query(
        "SELECT name, create_table_query FROM system.tables "
        "WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).rows
    assert {"calls", "facts", "otel_traces", "otel_traces_trace_id_ts"} <= {name for name, _ in tables}
    assert all("fsync_after_insert = 1, fsync_part_directory = 1" in text for _, text in tables)


SECRET = "sk-live-0123456789"


@pytest.mark.parametrize(
    ("failure", "expected", "code"),
    [
        (OperationalError("connection refused"), StoreUnavailableError, 0),
        (DatabaseError("Code: 243. DB::Exception: Cannot reserve 1.00 MiB"), StoreUnavailableError, 243),
        (DatabaseError("Code: 1001. std::exception: No space left on device"), StoreUnavailableError, 1001),
        (DatabaseError("Code: 252. DB::Exception: Too many parts"), StoreUnavailableError, 252),
        (DatabaseError("Code: 164. DB::Exception: Disk default is readonly"), StoreUnavailableError, 164),
        (DatabaseError("HTTP driver received HTTP status 502, server response: gone"), StoreUnavailableError, 0),
        (OSError(28, "No space left on device"), StoreUnavailableError, 0),
        (DatabaseError("HTTP driver received HTTP status 413, server response: too large"), StoreError, 0),
        (DatabaseError(f"Code: 6. DB::Exception: Cannot parse {SECRET} (CANNOT_PARSE_TEXT)"), StoreError, 6),
        (ValueError(f"could not convert {SECRET}"), StoreError, 0),
    ],
)
def test_what_may_pass_is_told_from_what_never_will(
    failure: Exception, expected: type[Exception], code: int, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """A full disk or a busy server is tried again; only what is wrong with the rows is given up, and not quoted."""

    def fail(*_: object, **__: object) -> Callable[..., None]:
        raise failure

    monkeypatch.setattr(store._write_client, "insert", fail)
    with pytest.raises(expected) as error:
        store.insert("otel_traces", COLUMNS, span(1))
    assert type(error.value) is expected
    assert error.value.code == code  # type: ignore[attr-defined]
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_failing_insert_tells_nothing_of_its_rows(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the driver's log nor the error and its causes quote a value that its column cannot hold."""
    columns = span(1)
    columns[0] = [SECRET]
    with pytest.raises(StoreError) as error:
        store.insert("otel_traces", COLUMNS, columns)
    assert "otel_traces" in str(error.value)
    assert SECRET not in "".join(traceback.format_exception(error.value)) + caplog.text
    assert logging.getLogger("clickhouse_connect.driver.transform").getEffectiveLevel() >= logging.CRITICAL


def test_a_batch_may_span_any_number_of_days(any_store: Store) -> None:
    """Each day of `otel_traces` is a partition, and ClickHouse takes a hundred in an insert where nobody says more."""
    days = [datetime(2026, 6, 1, tzinfo=UTC) - timedelta(days=number) for number in range(120)]
    ids = [str(number) for number in range(120)]
    any_store.insert("otel_traces", COLUMNS, [days, ids, ids, ["n"] * 120, ["app"] * 120])
    found = any_store.query("SELECT count(), uniqExact(_partition_id) FROM otel_traces").rows
    assert found == [(120, 120)]


def test_a_question_that_would_write_is_refused_for_good(store: Store) -> None:
    """Read-only is a state that passes to who writes, and an answer to who asks."""
    with pytest.raises(StoreError, match="only what reads") as error:
        store.query_read_only("SELECT 1 SETTINGS max_threads = 1")
    assert error.value.code == 164
