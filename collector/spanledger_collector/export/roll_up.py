"""Rolls up closed days: calls in groups that no question tells apart (see the view ``call_groups``).

A day is built from the ledger as it stands, whole, and counts from when its row of ``rolled_day`` says so. A building
that is cut short, or overtaken by a write, is rows that nobody reads; the next one removes them. So doing it again,
or in two processes, changes no answer.
"""

from __future__ import annotations

import logging
import threading
from datetime import date, timedelta

from spanledger_collector.errors import PermanentError, RetryableError
from spanledger_collector.export.store import Store

USABLE_AFTER_S = 60
"""A question that began before a day was built may have noted the tables as they were then."""
PAUSE_S = 60.0
_log = logging.getLogger(__name__)

_GROUPED_BY = (
    "day", "hour", "kind", "status", "error_type", "service", "dialect", "provider", "operation", "request_model",
    "response_model", "usage_status", "price_status", "price_card_id", "price_band", "price_slot", "is_priced",
    "told_input", "tool_name", "run_key", "names_task", "task", "agent", "team", "user",
)  # fmt: skip
_ADDED_UP = {
    **dict.fromkeys(
        ("calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens",
         "reasoning_tokens", "known_tokens", "cost_usd", "calls_with_hits", "calls_without_tokens", "answering_ns",
         "argument_calls"),
        "sum",
    ),
    "durations_ms": "groupArrayArray",
    "ttfts_ms": "groupArrayArray",
    "argument_keys": "groupUniqArrayArray",
    "first_started_at": "min",
    "last_started_at": "max",
    "last_ended_ns": "max",
}  # fmt: skip
"""How a figure of a group comes from those of its parts."""

_NOTE_UNKNOWN_DAYS = """
INSERT INTO rolled_day (day, stamp)
SELECT DISTINCT toDate(started_at), now64(6, 'UTC')
FROM calls WHERE toDate(started_at) NOT IN (SELECT day FROM rolled_day)
"""
_DUE = """
SELECT toString(day), toString(now64(6, 'UTC')) FROM rolled_day FINAL
WHERE built = toDateTime64(0, 6, 'UTC') AND stamp <= now64(6, 'UTC') AND day < toDate(now('UTC')) AND day > {after:Date}
ORDER BY day LIMIT 1
"""
_BUILD = f"""
INSERT INTO call_rollup (built, {", ".join((*_GROUPED_BY, *_ADDED_UP))})
SELECT {{built:DateTime64(6, 'UTC')}}, {", ".join(f"g.{name} AS {name}" for name in _GROUPED_BY)},
    {", ".join(f"{function}(g.{name})" for name, function in _ADDED_UP.items())}
FROM call_groups(since = {{since:DateTime64(9, 'UTC')}}, until = {{until:DateTime64(9, 'UTC')}}) AS g
GROUP BY {", ".join(_GROUPED_BY)}
"""  # noqa: S608 - names of our own columns
_BUILD_WASTE = """
INSERT INTO waste_rollup SELECT {built:DateTime64(6, 'UTC')}, * FROM waste_of_day(day = {day:Date})
"""
_DECLARE = """
INSERT INTO rolled_day (day, built, usable_from, stamp)
SELECT {day:Date}, {built:DateTime64(6, 'UTC')}, now64(6, 'UTC') + toIntervalSecond({after_s:UInt32}),
    {built:DateTime64(6, 'UTC')}
"""
_TABLES = ("call_rollup", "waste_rollup")
_WAITING = "SETTINGS mutations_sync = 1"
_SUPERSEDED = "day = {day:Date} AND built < {built:DateTime64(6, 'UTC')}"


class RollUps:
    """Makes what is due, once or again and again in a thread of its own.

    ``suffix`` and ``on_cluster`` name the tables that hold the rows of a cluster.
    """

    def __init__(
        self, store: Store, suffix: str = "", on_cluster: str = "", usable_after_s: int = USABLE_AFTER_S
    ) -> None:
        self._store = store
        self._held_in = f"{suffix}{on_cluster}"
        self._usable_after_s = usable_after_s
        self._knows_all_days = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="roll-ups")

    def start(self) -> None:
        """Begin; what fails is tried again a minute later."""
        self._thread.start()

    def stop(self) -> None:
        """End when the day under way is done."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def make(self) -> list[str]:
        """Roll up each closed day that is not, or no longer; returns the days.

        Raises:
            StoreUnavailableError: the store did not answer; what was made stands.
        """
        if not self._knows_all_days:
            self._store.command_beside(_NOTE_UNKNOWN_DAYS)
            self._knows_all_days = True
        made: list[str] = []
        while not self._stopping.is_set():
            due = self._store.query(_DUE, {"after": made[-1] if made else "1970-01-01"}).rows
            if not due:
                break
            ((day, built),) = due
            self._build(day, built)
            made.append(day)
        if made:
            _log.debug("rolled up %d days, %s to %s", len(made), made[0], made[-1])
        return made

    def _build(self, day: str, built: str) -> None:
        next_day = date.fromisoformat(day) + timedelta(days=1)
        bounds = {"since": f"{day} 00:00:00.000000000", "until": f"{next_day} 00:00:00.000000000"}
        self._store.command_beside(_BUILD, {"built": built, **bounds})
        named = {"day": day, "built": built}
        self._store.command_beside(_BUILD_WASTE, named)
        self._store.command_beside(_DECLARE, {**named, "after_s": self._usable_after_s})
        for table in _TABLES:
            ((superseded,),) = self._store.query(f"SELECT count() FROM {table} WHERE {_SUPERSEDED}", named).rows  # noqa: S608
            if superseded:
                self._store.command_beside(
                    f"ALTER TABLE {table}{self._held_in} DELETE WHERE {_SUPERSEDED} {_WAITING}", named
                )

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE_S):
            try:
                self.make()
            except RetryableError as error:
                _log.info("roll-ups wait, as %s", error)
            except PermanentError:
                _log.exception("closed days are not rolled up; questions read the calls themselves")
