"""Numbered, forward-only migrations: ``schemas/migrations/NNNN_name.sql``, applied in order at start, each once."""

from __future__ import annotations

import logging
import re
from importlib.resources import files

from spanledger_collector.export.cluster import clustered
from spanledger_collector.export.store import Store
from spanledger_collector.query.ports import Store as Asked

BOOKKEEPING = (
    "CREATE TABLE IF NOT EXISTS schema_migrations "
    "(number UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) "
    "ENGINE = ReplacingMergeTree ORDER BY number"
)
"""The table of what has been applied."""
_IS_BEGUN = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"

_log = logging.getLogger(__name__)
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|$)")


def migrations() -> list[tuple[int, str, str]]:
    """All migrations that ship, as (number, name, SQL), in order."""
    found = []
    for entry in (files("spanledger_schemas") / "migrations").iterdir():
        number, _, name = entry.name.removesuffix(".sql").partition("_")
        if entry.name.endswith(".sql"):
            found.append((int(number), name, entry.read_text("utf-8")))
    return sorted(found)


def statements(sql: str) -> list[str]:
    """The statements of a migration: it ends each with a semicolon at the end of a line."""
    without_comments = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in _STATEMENT_END.split(without_comments) if part.strip()]


def migrate(store: Store, cluster: str = "") -> list[int]:
    """Apply what is missing and return its numbers. Running it again, or beside another collector, does no harm.

    With the name of a ``cluster``, all its hosts get the tables' replicated and distributed forms.
    """
    for statement in clustered(BOOKKEEPING, cluster):
        store.command(statement)
    done = _applied(store)
    known = migrations()
    if max(done, default=0) > known[-1][0]:
        _log.warning(
            "%s has been migrated to %04d by a newer spanledger, and this one knows %04d at most: use the newer",
            store.name,
            max(done),
            known[-1][0],
        )
    applied = []
    for number, name, sql in known:
        if number not in done:
            for written in statements(sql):
                for statement in clustered(written, cluster):
                    store.command(statement)
            store.insert("schema_migrations", ("number", "name"), ((number,), (name,)))
            applied.append(number)
    return applied


def missing_migrations(store: Asked) -> list[int]:
    """The numbers of what ``migrate`` would apply; to find out nothing is written."""
    ((begun,),) = store.query(_IS_BEGUN, {}).rows
    done = _applied(store) if begun else set()
    return [number for number, _, _ in migrations() if number not in done]


def _applied(store: Asked) -> set[int]:
    return {row[0] for row in store.query("SELECT DISTINCT number FROM schema_migrations", {}).rows}
