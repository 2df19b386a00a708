"""What waits for the forward target: a second table in the journal's file, bounded by itself.

A request is staged once, under its number in the journal, while its batch is processed. That it was staged is
remembered until it leaves the journal, so that a batch that is processed again after a crash is not sent twice.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from spanledger_collector.journal.entry import DEPTH_COLUMNS, Depth, Entry, entry_of

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS outgoing (
        sequence       INTEGER PRIMARY KEY,
        received_at_ms INTEGER NOT NULL,
        signal         TEXT NOT NULL,
        spans          INTEGER NOT NULL,
        body           BLOB NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS staged (sequence INTEGER PRIMARY KEY)",
)

_OLDEST_SIZES = "SELECT sequence, received_at_ms, spans, length(body) FROM outgoing ORDER BY sequence"


@dataclass(slots=True, frozen=True)
class OutgoingBounds:
    """How much may wait for the target, and for how long; over either, the oldest are given up."""

    max_bytes: float
    max_age_s: float


@dataclass(slots=True, frozen=True)
class GivenUp:
    """How much was removed unsent."""

    requests: int = 0
    spans: int = 0


UNBOUNDED = OutgoingBounds(math.inf, math.inf)


class Outbox:
    """Requests on disk for the forward target, in order of arrival. Every method may be called from any thread.

    In its entries ``received_at_ms`` is when they were staged: a store that was away does not make them old.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        lock: threading.Lock,
        transaction: Callable[[], AbstractContextManager[None]],
        bounds: OutgoingBounds,
        now_s: Callable[[], float],
    ) -> None:
        """The tables in the journal's ``database``, under the journal's ``lock`` and in its ``transaction``."""
        self._database = database
        self._lock = lock
        self._transaction = transaction
        self._bounds = bounds
        self._now_s = now_s
        for table in _TABLES:
            database.execute(table)
        (self._is_on,) = database.execute("PRAGMA user_version").fetchone()
        self.staged = {sequence for (sequence,) in database.execute("SELECT sequence FROM staged")}
        """The requests that are here, or were, and are still in the journal."""
        newest, *depth = database.execute(
            f"SELECT max(sequence), {DEPTH_COLUMNS} FROM outgoing"  # noqa: S608 - names of ours
        ).fetchone()
        self.newest: int = newest or 0
        self.depth = Depth(*depth) if newest else Depth()
        """What waits."""

    @property
    def is_on(self) -> bool:
        """Whether the last ``serve`` had a target: what leaves the journal is to come here."""
        return bool(self._is_on)

    def switch(self, on: bool) -> None:
        """Remember whether there is a target, also for the command that finds what a killed collector left.

        Raises:
            JournalUnavailableError, QueueFullError: the file could not be written.
        """
        if on != self.is_on:
            with self._lock, self._transaction():
                self._database.execute(f"PRAGMA user_version = {int(on)}")
            self._is_on = int(on)

    def stage(self, entries: Sequence[Entry], bodies: Mapping[int, bytes]) -> None:
        """Let ``entries`` wait here, with another body where ``bodies`` has one; what was staged before stays as it is.

        Raises:
            JournalUnavailableError, QueueFullError: the file could not be written. Nothing was staged.
        """
        with self._lock:
            with self._transaction():
                added = self.add(entries, bodies)
                self._database.executemany("INSERT INTO staged VALUES (?)", [(entry.sequence,) for entry in added])
            self.staged.update(entry.sequence for entry in added)
            self.count(added)

    def add(self, entries: Sequence[Entry], bodies: Mapping[int, bytes]) -> list[Entry]:
        """Within a transaction, write those of ``entries`` that were not staged before; returns them, to be counted."""
        at_ms = round(self._now_s() * 1000)
        added = [
            entry_of((e.sequence, at_ms, e.request.signal, e.request.spans, bodies.get(e.sequence, e.request.body)))
            for e in entries
            if e.sequence not in self.staged
        ]
        self._database.executemany(
            "INSERT INTO outgoing VALUES (?, ?, ?, ?, ?)",
            [(e.sequence, e.received_at_ms, e.request.signal, e.request.spans, e.request.body) for e in added],
        )
        return added

    def count(self, added: Sequence[Entry]) -> None:
        """Count what ``add`` wrote, after the transaction."""
        if added:
            self.depth = self.depth.plus([entry.request for entry in added], added[0].received_at_ms)

    def forget(self, entries: Sequence[Entry]) -> None:
        """Within a transaction: these leave the journal, and are processed no more."""
        if self.staged:
            self._database.executemany("DELETE FROM staged WHERE sequence = ?", [(e.sequence,) for e in entries])

    def read(self, max_bytes: int) -> list[Entry]:
        """The oldest entries of one signal, within ``max_bytes`` but at least one where there is one.

        Raises:
            JournalUnavailableError: the file could not be read.
        """
        entries: list[Entry] = []
        size_bytes = 0
        with self._lock, self._transaction():
            rows = self._database.execute("SELECT * FROM outgoing ORDER BY sequence")
            for entry in map(entry_of, rows):
                size_bytes += len(entry.request.body)
                if entries and (size_bytes > max_bytes or entry.request.signal != entries[0].request.signal):
                    break
                entries.append(entry)
            rows.close()
        return entries

    def remove(self, entries: Sequence[Entry]) -> None:
        """Remove what the target has, or will never have.

        Raises:
            JournalUnavailableError: the file could not be written; the entries are still there.
        """
        with self._lock:
            with self._transaction():
                # Another thread may have given up what the sender was sending.
                there = [
                    entry.request
                    for entry in entries
                    if self._database.execute("DELETE FROM outgoing WHERE sequence = ?", (entry.sequence,)).rowcount
                ]
                oldest = self._database.execute(
                    "SELECT received_at_ms FROM outgoing ORDER BY sequence LIMIT 1"
                ).fetchone()
            self.depth = self.depth.minus(there, oldest[0] if oldest else None)

    def shrink(self, entry: Entry, body: bytes) -> None:
        """Let only ``body`` be left of ``entry``: the target has the rest.

        Raises:
            JournalUnavailableError: the file could not be written; all of it is still there.
        """
        with self._lock:
            with self._transaction():
                size_bytes = self._database.execute(
                    "SELECT length(body) FROM outgoing WHERE sequence = ?", (entry.sequence,)
                ).fetchone()
                self._database.execute("UPDATE outgoing SET body = ? WHERE sequence = ?", (body, entry.sequence))
            if size_bytes:
                self.depth = replace(self.depth, size_bytes=self.depth.size_bytes + len(body) - size_bytes[0])

    def give_up(self, more_bytes: int = 0) -> GivenUp:
        """Remove the oldest as long as a bound is exceeded, and to make room for ``more_bytes`` in the file.

        Raises:
            JournalUnavailableError: the file could not be written; the entries are still there.
        """
        with self._lock:
            oldest_ms = (self._now_s() - self._bounds.max_age_s) * 1000
            most_bytes = min(self._bounds.max_bytes, self.depth.size_bytes - more_bytes)
            left = self.depth
            if left.size_bytes <= most_bytes and (left.oldest_at_ms or math.inf) >= oldest_ms:
                return GivenUp()
            with self._transaction():
                rows = self._database.execute(_OLDEST_SIZES)
                for sequence, at_ms, spans, size_bytes in rows:
                    if left.size_bytes <= most_bytes and at_ms >= oldest_ms:
                        left = replace(left, oldest_at_ms=at_ms)
                        self._database.execute("DELETE FROM outgoing WHERE sequence < ?", (sequence,))
                        break
                    left = Depth(left.entries - 1, left.spans - spans, left.size_bytes - size_bytes)
                else:
                    self._database.execute("DELETE FROM outgoing")
                rows.close()
            given_up = GivenUp(self.depth.entries - left.entries, self.depth.spans - left.spans)
            self.depth = left
            return given_up
