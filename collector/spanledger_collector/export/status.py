"""What the store holds: rows, bytes and parts by table, and the span of time of the ledger."""

from __future__ import annotations

from typing import Any

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.migrate import migrations, missing_migrations
from spanledger_collector.query.ports import Store

_TABLES = """
SELECT t.name, sum(p.rows), sum(p.bytes_on_disk), countIf(p.name != '')
FROM system.tables AS t
LEFT JOIN system.parts AS p ON p.database = t.database AND p.table = t.name AND p.active
WHERE t.database = currentDatabase() AND t.engine LIKE '%MergeTree'
GROUP BY t.name
ORDER BY t.name
"""
_CALLS = """
SELECT
    count(),
    formatDateTime(min(started_at), '%FT%TZ', 'UTC'),
    formatDateTime(max(started_at), '%FT%TZ', 'UTC')
FROM calls
WHERE is_deleted = 0
"""


def unknown_status(why: str) -> dict[str, Any]:
    """What ``status_of`` says of a store that does not answer."""
    return {"store": why, "tables": [], "oldest_call": None, "newest_call": None, "missing_migrations": []}


def status_of(store: Store) -> dict[str, Any]:
    """``{"store", "tables": [{"table", "rows", "bytes", "parts"}], "oldest_call", "newest_call"}``; nothing is written.

    ``store`` is ``ok``, or why it did not answer, and then nothing is known of the rest. Rows are those on disk,
    replaced ones that no merge has removed yet among them; times are ISO 8601 in UTC, ``None`` without calls.
    ``missing_migrations``, beside them, are the numbers of those that are to be applied yet.
    """
    try:
        not_applied = missing_migrations(store)
        if len(not_applied) == len(migrations()):
            return unknown_status("it has no tables of spanledger yet; `spanledger serve` or `migrate` makes them")
        return {"store": "ok", **_asked(store), "missing_migrations": not_applied}
    except StoreUnavailableError as error:
        return unknown_status(str(error))


def _asked(store: Store) -> dict[str, Any]:
    tables = [
        {"table": name, "rows": int(rows), "bytes": int(size), "parts": int(parts)}
        for name, rows, size, parts in store.query(_TABLES, {}).rows
    ]
    ((calls, oldest, newest),) = store.query(_CALLS, {}).rows
    return {"tables": tables, "oldest_call": oldest if calls else None, "newest_call": newest if calls else None}
