"""Which days and hours of the ledger are rolled up; whoever writes calls gives theirs up first.

A call's row belongs to one hour for good, as the hour is part of its key: so hours are what is given up, and the days
that they are of. They are given up for some minutes, in which they are not rolled up again: rows that come soon after
are in whatever is built later. That holds between processes, too, and asks for no lock that a crash could leave behind.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Protocol

LEASE_S = 600
"""How long a day or an hour stays given up; an insert takes far less."""
HOURS_A_DAY = 24
_LAST_HOUR = 2**16 * HOURS_A_DAY - 1
"""Of ClickHouse's `Date`. What lies in 2149 or later is never closed."""
JUDGED_AROUND_H = 2
"""How many hours around a call ``queries/sources/wasted_calls.sql`` looks at to judge it."""
RECENT_DAYS = 33
"""Before today; of what is older no question reads the hours, only the days (see ``export.roll_up``)."""

_GIVE_UP = f"""
INSERT INTO rolled_period (subject, day, hour, stamp)
SELECT DISTINCT subject, day, hour, stamp
FROM (
    SELECT
        subject,
        toDate(intDiv(hour_number, {HOURS_A_DAY})) AS day,
        arrayJoin([hour_number % {HOURS_A_DAY}, {HOURS_A_DAY}]) AS hour,
        now64(6, 'UTC') + toIntervalSecond({{lease_s:UInt32}}) AS stamp
    FROM (
        SELECT 'calls' AS subject, arrayJoin({{written:Array(UInt32)}}) AS hour_number
        UNION ALL
        SELECT 'waste' AS subject, arrayJoin({{judged_anew:Array(UInt32)}}) AS hour_number
    )
)
WHERE hour = {HOURS_A_DAY} OR day >= toDate(now('UTC')) - {RECENT_DAYS}
"""  # noqa: S608 - our own numbers


def neighbours(hours: Collection[int]) -> set[int]:
    """The hours (since 1970) in which a call may be judged by one of these: those around it, of the same day."""
    around = range(-JUDGED_AROUND_H, JUDGED_AROUND_H + 1)
    return {hour + step for hour in hours for step in around if 0 <= hour % HOURS_A_DAY + step < HOURS_A_DAY}


class Store(Protocol):
    """Whatever can run a statement."""

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement that answers nothing."""


class RolledDays:
    """What this process has given up, and when: within half of the time an hour is not given up again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given_up_s: dict[int, float] = {}

    def give_up(self, days: Collection[int]) -> None:
        """Have questions read the calls of these days (since 1970) themselves, before rows of theirs are written."""
        self.give_up_hours({day * HOURS_A_DAY + hour for day in days for hour in range(HOURS_A_DAY)})

    def give_up_hours(self, hours: Collection[int]) -> None:
        """The same of hours (since 1970), with the days that they are of."""
        now_s = time.monotonic()
        fresh_s = now_s - LEASE_S / 2
        held = (hour for hour in set(hours) if 0 <= hour <= _LAST_HOUR)
        due = [hour for hour in held if self._given_up_s.get(hour, fresh_s) <= fresh_s]
        if due:
            named = {"written": sorted(due), "judged_anew": sorted(neighbours(due))}
            self._store.command(_GIVE_UP, {**named, "lease_s": LEASE_S})
            self._given_up_s.update(dict.fromkeys(due, now_s))
