"""The journal's file: SQLite in WAL mode, where a commit returns after its fsync.

One connection for all threads: the intake appends, the consumer reads and removes, each for milliseconds. It holds
the file for itself, so a second collector on the same directory is refused.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

from spanledger_collector.errors import DataDirectoryHeldError, PermanentError
from spanledger_collector.journal.entry import DEPTH_COLUMNS, Depth, Entry, Request, entry_of
from spanledger_collector.journal.errors import JournalDamagedError, JournalUnavailableError
from spanledger_collector.journal.oldest import Oldest
from spanledger_collector.journal.outbox import UNBOUNDED, Outbox, OutgoingBounds
from spanledger_collector.receive.errors import QueueFullError

_PAGE_BYTES = 32 * 1024
"""A request of a hundred spans is two pages; with the usual 4 KiB writing took four times as long."""
_LOOKED_INTO_S = 1.0
"""How long a start waits for `spanledger status` to have looked into the file."""
_CHECKPOINT_BYTES = 16 * 1024 * 1024
_FULL_RETRY_AFTER_S = 5.0
_FULL_FOR_S = 10.0
"""A disk that had no space is told of for that long: who waits for readiness would never find that it is over."""
_NO_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""A full disk shows as FULL, a quota or a limit on the size of files as an input/output error."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_TABLE = """
CREATE TABLE IF NOT EXISTS entry (
    sequence       INTEGER PRIMARY KEY,
    received_at_ms INTEGER NOT NULL,
    signal         TEXT NOT NULL,
    spans          INTEGER NOT NULL,
    body           BLOB NOT NULL
)
"""


@dataclass(slots=True, frozen=True)
class Bounds:
    """When the journal takes no more: its size, the age of its oldest entry, and what stays free on its disk."""

    max_bytes: int
    max_age_s: float
    min_free_bytes: int


class Journal:
    """Requests on disk, in order of arrival. Every method may be called from any thread."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        now_s: Callable[[], float] = time.time,
        outgoing: OutgoingBounds = UNBOUNDED,
    ) -> None:
        """Open the journal at ``path``, or begin one; ``outgoing`` bounds what waits for a forward target.

        Raises:
            DataDirectoryHeldError: another process has it open.
            JournalDamagedError: it cannot be read.
            PermanentError: the directory cannot be made or written.
        """
        self.path = path
        self._bounds = bounds
        self._now_s = now_s
        self._lock = threading.Lock()
        self._full_until_s = 0.0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # It holds what the spans hold: for nobody else's eyes.
            path.touch(mode=0o600)
            self._database = sqlite3.connect(
                path, timeout=_LOOKED_INTO_S, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise PermanentError(
                f"the journal {path} cannot be opened ({error}); name another directory with --data"
            ) from None
        try:
            self._prepare()
            self.outbox = Outbox(self._database, self._lock, self._transaction, outgoing, now_s)
            """What waits for the forward target."""
            self.newest, self._depth = self._found()
            self._oldest = Oldest()
        except sqlite3.Error as error:
            self._database.close()
            raise _opening_failed(path, error) from None

    @property
    def depth(self) -> Depth:
        """What waits."""
        return self._depth

    @property
    def lag_s(self) -> float:
        """The age of the oldest that waits, in seconds; 0 where nothing does."""
        return self._depth.lag_s(self._now_s())

    def check_room(self, more_bytes: int) -> None:
        """Whether ``more_bytes`` may be appended.

        Raises:
            QueueFullError: a bound is reached; the message names its setting.
        """
        depth = self._depth
        if depth.entries and depth.size_bytes + more_bytes > self._bounds.max_bytes:
            raise _full(
                f"{depth.size_bytes} bytes wait for the store, and {more_bytes} more would be over the "
                f"{self._bounds.max_bytes} allowed (journal_max_bytes)"
            )
        if depth.oldest_at_ms is not None:
            age_s = self._now_s() - depth.oldest_at_ms / 1000
            if age_s > self._bounds.max_age_s:
                raise _full(f"the store has taken nothing for {age_s:.0f} s, the most allowed (journal_max_age_s)")

    def append(self, requests: Sequence[Request]) -> None:
        """Write requests; when it returns they survive a crash of the process and of the machine.

        Raises:
            QueueFullError: the disk is full, or nearly so. Nothing was written.
            JournalUnavailableError: the file could not be written. Nothing was written.
        """
        at_ms = round(self._now_s() * 1000)
        with self._lock:
            self._check_disk()
            rows = [
                (self.newest + number, at_ms, request.signal, request.spans, request.body)
                for number, request in enumerate(requests, start=1)
            ]
            try:
                with self._transaction():
                    self._database.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", rows)
            except QueueFullError:
                self._full_until_s = time.monotonic() + _FULL_FOR_S
                raise
            self._full_until_s = 0.0
            self.newest += len(rows)
            self._depth = self._depth.plus(requests, at_ms)
            self._oldest.append([entry_of(row) for row in rows], self._depth.entries)

    def read(self, *, max_spans: int, max_bytes: int, after: int = -1) -> list[Entry]:
        """The oldest entries after that number, within both limits but at least one where there is one.

        Those that were staged for the forward target are read without those that were not: who bears the cost of a call
        was decided for the batch that they were.

        Raises:
            JournalUnavailableError: the file could not be read.
        """
        entries: list[Entry] = []
        spans = size_bytes = 0
        with self._lock, self._translated():
            staged = self.outbox.staged
            for entry in self._waiting(after):
                spans += entry.request.spans
                size_bytes += len(entry.request.body)
                if entries and (spans > max_spans or size_bytes > max_bytes):
                    break
                if staged and entries and (entry.sequence in staged) != (entries[0].sequence in staged):
                    break
                entries.append(entry)
        return entries

    def _waiting(self, after: int) -> Iterator[Entry]:
        """All entries after that number in their order, from the disk only those that are not remembered."""
        remembered = self._oldest.entries
        yield from dropwhile(lambda entry: entry.sequence <= after, remembered)
        if len(remembered) < self._depth.entries:
            last = max(after, remembered[-1].sequence if remembered else -1)
            rows = self._database.execute("SELECT * FROM entry WHERE sequence > ? ORDER BY sequence", (last,))
            yield from map(entry_of, rows)

    def smallest_after(self, sequence: int, limit: int) -> list[Entry]:
        """The smallest of the entries that came after ``sequence``, the smallest first.

        Raises:
            JournalUnavailableError: the file could not be read.
        """
        with self._lock, self._translated():
            rows = self._database.execute(
                "SELECT * FROM entry WHERE sequence > ? ORDER BY length(body), sequence LIMIT ?", (sequence, limit)
            )
            return list(map(entry_of, rows))

    def remove(self, entries: Sequence[Entry]) -> None:
        """Remove entries that follow each other, in one transaction.

        With a forward target, what was not staged for it (it could not be processed) goes there as it came.

        Raises:
            JournalUnavailableError: the file could not be written; the entries are still there.
        """
        with self._lock:
            with self._transaction():
                added = self.outbox.add(entries, {}) if self.outbox.is_on else []
                self.outbox.forget(entries)
                self._database.execute(
                    "DELETE FROM entry WHERE sequence BETWEEN ? AND ?", (entries[0].sequence, entries[-1].sequence)
                )
                oldest = self._database.execute("SELECT received_at_ms FROM entry ORDER BY sequence LIMIT 1").fetchone()
            self.outbox.count(added)
            self.outbox.staged.difference_update(entry.sequence for entry in entries)
            self._depth = self._depth.minus([entry.request for entry in entries], oldest[0] if oldest else None)
            self._oldest.remove(entries[0].sequence, entries[-1].sequence)

    def close(self) -> None:
        """Close the file; what is in it stays for the next start."""
        with self._lock:
            self._database.close()

    def _prepare(self) -> None:
        for pragma in (
            f"page_size = {_PAGE_BYTES}",
            # Without the memory that several processes would share, and without its dangers on a full disk.
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            # Some builds overwrite what is removed, which would write every request once more.
            "secure_delete = OFF",
            f"wal_autocheckpoint = {_CHECKPOINT_BYTES // _PAGE_BYTES}",
            f"journal_size_limit = {2 * _CHECKPOINT_BYTES}",
        ):
            self._database.execute(f"PRAGMA {pragma}").fetchall()
        (verdict,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _opening_failed(self.path)
        self._database.execute(_TABLE)

    def _found(self) -> tuple[int, Depth]:
        newest, *depth = self._database.execute(
            f"SELECT max(sequence), {DEPTH_COLUMNS} FROM entry"  # noqa: S608 - names of ours
        ).fetchone()
        if newest is None and self.outbox.newest:
            return self.outbox.newest, Depth()
        if newest is None:
            # Gives back what a long backlog took; there is nothing to copy. On a full disk it can wait.
            with suppress(sqlite3.OperationalError):
                self._database.execute("VACUUM")
            return 0, Depth()
        # A number is never given twice, and what is outgoing has one.
        return max(newest, self.outbox.newest), Depth(*depth)

    @property
    def disk_has_room(self) -> bool:
        """Whether more is free than is to stay free, and the last write, if it was a moment ago, found space."""
        return not self.is_disk_short and time.monotonic() >= self._full_until_s

    @property
    def is_disk_short(self) -> bool:
        """Whether there is less free than is to stay free."""
        return self._free_bytes() < self._bounds.min_free_bytes

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def _check_disk(self) -> None:
        free_bytes = self._free_bytes()
        if free_bytes < self._bounds.min_free_bytes:
            raise _full(
                f"the disk of {self.path.parent} has {free_bytes} bytes free, "
                f"fewer than the {self._bounds.min_free_bytes} that are to stay free (min_free_bytes)"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _code(error) in _NO_SPACE:
                raise _full(f"the journal {self.path} cannot be written ({error}); is the disk full?") from None
            raise JournalUnavailableError(f"the journal {self.path} cannot be read or written ({error})") from None


def _code(error: sqlite3.Error) -> int:
    """The primary result code, without what the extended one adds in its upper bits."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _full(reason: str) -> QueueFullError:
    return QueueFullError(f"{reason}; send the same again later", _FULL_RETRY_AFTER_S)


def reading_failed(path: Path, error: sqlite3.Error) -> PermanentError:
    """Why a journal cannot be looked into: another process has it, it is damaged, or what SQLite says."""
    if _code(error) in (*_HELD, *_DAMAGED):
        return _opening_failed(path, error)
    return PermanentError(f"the journal {path} cannot be read ({error})")


def _opening_failed(path: Path, error: sqlite3.Error | None = None) -> PermanentError:
    if error is not None and _code(error) in _HELD:
        return DataDirectoryHeldError(
            f"the journal {path} is held by another process; stop it, or name another directory with --data"
        )
    if error is None or _code(error) in _DAMAGED:
        return JournalDamagedError(
            f"the journal {path} is damaged; move it and {path.name}-wal aside and start again "
            f"(`sqlite3 {path.name} .recover` may save the requests that were waiting in it)"
        )
    return PermanentError(f"the journal {path} cannot be used ({error}); free space, or name another with --data")
