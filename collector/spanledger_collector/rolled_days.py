"""Which days of the ledger are rolled up; whoever writes calls gives their days up first.

A call's row belongs to one day for good, as the day is part of its key: so days are what is rolled up. A day is given
up for some minutes, in which it is not rolled up again: rows that come soon after are in whatever is built later. That
holds between processes, too, and asks for no lock that a crash could leave behind.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any, Protocol

LEASE_S = 600
"""How long a day stays given up; an insert takes far less."""
_LAST_DAY = 2**16 - 1
"""Of ClickHouse's `Date`. What lies in 2149 or later is never closed."""

_SLOT_NS = 7_200_000_000_000
_SLOTS_A_DAY = 12
"""Two hours: how far ``queries/sources/wasted_calls.sql`` looks around a call to judge it."""

_GIVE_UP = """
INSERT INTO rolled_day (day, stamp)
SELECT toDate(arrayJoin({days:Array(UInt16)})), now64(6, 'UTC') + toIntervalSecond({lease_s:UInt32})
"""


def neighbours(starts_ns: Iterable[int]) -> set[int]:
    """The days (since 1970) in which a call may be judged by one of those that start then."""
    slots = {start_ns // _SLOT_NS for start_ns in starts_ns}
    return {(slot + step) // _SLOTS_A_DAY for slot in slots for step in (-1, 1)}


class Store(Protocol):
    """Whatever can run a statement."""

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement that answers nothing."""


class RolledDays:
    """What this process has given up, and when: within half of the time a day is not given up again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given_up_s: dict[int, float] = {}

    def give_up(self, days: Collection[int]) -> None:
        """Have questions read the calls of these days (since 1970) themselves, before rows of theirs are written."""
        now_s = time.monotonic()
        fresh_s = now_s - LEASE_S / 2
        due = [day for day in set(days) if self._given_up_s.get(day, fresh_s) <= fresh_s and 0 <= day <= _LAST_DAY]
        if due:
            self._store.command(_GIVE_UP, {"days": sorted(due), "lease_s": LEASE_S})
            self._given_up_s.update(dict.fromkeys(due, now_s))
