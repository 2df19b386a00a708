"""What waits in a journal that no collector has open: read, and not written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from spanledger_collector.journal.entry import DEPTH_COLUMNS, Depth
from spanledger_collector.journal.file import reading_failed

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


class Waiting(NamedTuple):
    """What waits for the store, and what for a forward target."""

    entries: Depth
    outgoing: Depth


def waiting_in(path: Path) -> Waiting:
    """What the journal at ``path`` holds; a collector that starts in this moment waits for the answer.

    Raises:
        DataDirectoryHeldError: a process has it open.
        JournalDamagedError, PermanentError: it cannot be read.
    """
    # What a killed collector wrote last is still in the log beside the file, and read under a lock. Without a log
    # SQLite would begin one; the file alone needs neither.
    log = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=0)) as database:
            tables = {name for (name,) in database.execute(_TABLES)}
            return Waiting(*(_depth(database, name) if name in tables else Depth() for name in ("entry", "outgoing")))
    except sqlite3.Error as error:
        raise reading_failed(path, error) from None


def _depth(database: sqlite3.Connection, table: str) -> Depth:
    entries, *rest = database.execute(f"SELECT {DEPTH_COLUMNS} FROM {table}").fetchone()  # noqa: S608 - names of ours
    return Depth(entries, *rest) if entries else Depth()
