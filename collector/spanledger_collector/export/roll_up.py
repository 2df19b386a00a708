"""Rolls up closed hours and days: calls in groups that no question tells apart (see ``queries/sources``).

An hour or a day is built from the ledger as it stands, whole, and counts from when its row of ``rolled_period`` says.
A building that is cut short, or overtaken by a write, is rows that nobody reads; the next one removes them. So doing it
again, or in two processes, changes no answer.

Hours are built when they have ended, of today and yesterday; days when they have, from their hours as far as those are
rolled up. Hours stay for a month, for times that cut their day.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from spanledger_collector.errors import PermanentError, RetryableError, StoreUnavailableError
from spanledger_collector.export.store import MEMORY_LIMIT_CODE, Store
from spanledger_collector.query.sources import expanded
from spanledger_collector.rolled_days import RECENT_DAYS

USABLE_AFTER_S = 60
"""A question that began before a day was built may have noted the tables as they were then."""
PAUSE_S = 60.0
PUT_OFF_S = 3600.0
"""How long a day or an hour that took too much memory is left alone."""
HOURS_KEPT_DAYS = RECENT_DAYS - 1
"""A day longer than ``queries/sources/rolled_periods.sql`` reads them."""
_log = logging.getLogger(__name__)

_TOLD_APART = (
    "kind", "status", "error_type", "service", "dialect", "provider", "operation", "request_model", "response_model",
    "usage_status", "price_status", "price_card_id", "price_band", "price_slot", "is_priced", "told_input", "tool_name",
    "names_task", "agent", "team",
)  # fmt: skip
_TOLD_APART_BY_RUN = ("hour", "run_keys", "task", "user")
"""Which calls are in one row of a grain."""
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
_RUN_TOLD_APART = ("run_key", "names_task", "task", "agent", "team", "user")
_RUN_ADDED_UP = {
    **dict.fromkeys(
        ("calls", "llm_calls", "embedding_calls", "tool_calls", "failed_calls", "tool_errors", "priced_calls",
         "input_tokens", "cache_read_tokens", "output_tokens", "cost_usd", "unpriced_calls", "unpriced_tokens"),
        "sum",
    ),
    "first_started_at": "min",
    "last_ended_ns": "max",
}  # fmt: skip

_NOTE_UNKNOWN = """
INSERT INTO rolled_period (subject, day, hour, stamp)
SELECT subject, day, hour, now64(6, 'UTC')
FROM (
    SELECT DISTINCT
        arrayJoin(['calls', 'waste']) AS subject,
        day,
        arrayJoin(if(day >= toDate(now('UTC')) - 1, range(25), [24]))::UInt8 AS hour
    FROM (SELECT DISTINCT toDate(started_at) AS day FROM calls)
)
WHERE (subject, day, hour) NOT IN (SELECT subject, day, hour FROM rolled_period)
"""
_HAS_CALLS = """
SELECT 1 FROM calls
WHERE started_at >= {since:DateTime64(9, 'UTC')} AND started_at < {until:DateTime64(9, 'UTC')}
LIMIT 1
"""
_CALLS_AT_ONCE = 200_000
"""Waste is judged with so many calls in memory, at some 1.5 KB each, or those of one slice if they are more."""
_SLICE = "cityHash64(agent) % 64"
"""No call is judged by calls of another agent."""
_SLICES = f"""
SELECT {_SLICE} AS slice, count()
FROM calls
WHERE started_at >= {{since:DateTime64(9, 'UTC')}} - INTERVAL 3 HOUR
  AND started_at < {{until:DateTime64(9, 'UTC')}} + INTERVAL 3 HOUR
GROUP BY slice
ORDER BY slice
"""  # noqa: S608 - names of our own
_DUE = """
WITH toDateTime(day, 'UTC') + toIntervalHour(hour % 24) AS since
SELECT subject, toString(day), hour, toString(now64(6, 'UTC'))
FROM rolled_period FINAL
WHERE built = toDateTime64(0, 6, 'UTC') AND stamp <= now64(6, 'UTC')
  AND day < toDate(now('UTC')) + if(hour < 24, toHour(now('UTC')) > hour, 0)
  AND (hour = 24 OR day >= toDate(now('UTC')) - 1)
  AND (day, hour, subject) > ({day:Date}, {hour:UInt8}, {subject:String})
ORDER BY day, hour, subject LIMIT 1
"""


def _building(table: str, source: str, told_apart: Sequence[str], added_up: Mapping[str, str], **more: str) -> str:
    """The statement that writes the rows of a day or an hour: its calls in groups.

    What is rolled up already, of a day its hours, comes from there: rows of the same calls.
    """
    columns = {
        **more,
        **{name: f"g.{name}" for name in told_apart},
        **{name: f"{function}(g.{name})" for name, function in added_up.items()},
    }
    return expanded(
        f"INSERT INTO {table} (built, day, rolled_hour, {', '.join(columns)})\n"
        f"SELECT {{built:DateTime64(6, 'UTC')}}, {{day:Date}}, {{hour:UInt8}}, {', '.join(columns.values())}\n"
        f"FROM {source} AS g\n"
        f"GROUP BY {', '.join(f'g.{name}' for name in told_apart)}"
    )


_WASTE_BUILDING = expanded(f"""
INSERT INTO waste_rollup (
    built, day, rolled_hour, rule, about, trace_id, task, agent, team, user, provider, request_model, response_model,
    small_answer_rate, started_at, femto_usd, call_ids
)
WITH
    {{since:DateTime64(9, 'UTC')}} AS judged_since,
    {{until:DateTime64(9, 'UTC')}} AS judged_until,
    emptyArrayDate() AS judged_days,
    [(toDate(0), toUInt8(24))] AS judged_hours
SELECT
    {{built:DateTime64(6, 'UTC')}}, {{day:Date}}, {{hour:UInt8}}, rule, about, run_trace_id, task, agent, team, user,
    provider, request_model, response_model, small_answer_rate, calls.1, calls.3, calls.2
FROM (
    SELECT
        w.rule AS rule, w.about AS about, if(w.task = '', w.trace_id, '') AS run_trace_id, w.task AS task,
        w.agent AS agent, w.team AS team, w.user AS user, w.provider AS provider, w.request_model AS request_model,
        w.response_model AS response_model, w.small_answer_rate AS small_answer_rate,
        arraySort(groupArray((w.started_at, w.call_id, w.femto_usd))) AS calls
    FROM wasted_calls({_SLICE} IN {{slices:Array(UInt64)}}) AS w
    GROUP BY ALL
)
""")  # noqa: S608 - names of our own
_CALLS_BUILDINGS = (
    _building("call_rollup", "call_groups('run')", (*_TOLD_APART, *_TOLD_APART_BY_RUN), _ADDED_UP, grain="'run'"),
    _building(
        "call_rollup",
        "call_groups('run')",
        _TOLD_APART,
        {**_ADDED_UP, "run_keys": "groupUniqArrayArray"},
        grain="'day'",
        hour="toDateTime({since:DateTime64(9, 'UTC')}, 'UTC')",
    ),
    _building("run_rollup", "run_groups()", _RUN_TOLD_APART, _RUN_ADDED_UP),
)
_DECLARE = """
INSERT INTO rolled_period (subject, day, hour, built, usable_from, stamp)
SELECT {subject:String}, {day:Date}, {hour:UInt8}, {built:DateTime64(6, 'UTC')},
    now64(6, 'UTC') + toIntervalSecond({after_s:UInt32}), {built:DateTime64(6, 'UTC')}
"""
_TABLES = {"call_rollup": "calls", "run_rollup": "calls", "waste_rollup": "waste"}
_WAITING = "SETTINGS mutations_sync = 1"
_SUPERSEDED = (
    "(day IN {days:Array(Date)} AND concat(day, ' ', rolled_hour) IN {periods:Array(String)} "
    "AND built < {first_built:DateTime64(6, 'UTC')}) OR (rolled_hour < 24 AND day < {oldest:Date})"
)


class Period(NamedTuple):
    """What is rolled up at once: calls or waste, of a day, and of its hour 0 to 23, or 24 for all of it."""

    subject: str
    day: str
    hour: int


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
        self._knows_all = False
        self._put_off_until_s: dict[Period, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="roll-ups")

    def start(self) -> None:
        """Begin; what fails is tried again a minute later."""
        self._thread.start()

    def stop(self) -> None:
        """End when the hour or day under way is done."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def make(self) -> list[Period]:
        """Roll up each closed hour and day that is not, or no longer; returns what was made, in the order of time.

        Raises:
            StoreUnavailableError: the store did not answer; what was made stands.
        """
        if not self._knows_all:
            self._store.command_beside(_NOTE_UNKNOWN)
            self._knows_all = True
        made: dict[Period, str] = {}
        last = Period("", "1970-01-01", 0)
        while not self._stopping.is_set():
            due = self._store.query(_DUE, last._asdict()).rows
            if not due:
                break
            last, built = Period(*due[0][:3]), due[0][3]
            if self._put_off_until_s.get(last, 0.0) < time.monotonic() and self._is_built(last, built):
                made[last] = built
        if made:
            self._remove_superseded(made)
            _log.debug("rolled up %d hours and days, %s to %s", len(made), min(made.values()), max(made.values()))
        return list(made)

    def _is_built(self, period: Period, built: str) -> bool:
        """Build it; false where that took too much memory, and questions go on to read its calls."""
        try:
            self._build(period, built)
        except StoreUnavailableError as error:
            if error.code != MEMORY_LIMIT_CODE:
                raise
            self._put_off_until_s[period] = time.monotonic() + PUT_OFF_S
            _log.warning("%s of %s, hour %d, takes too much memory to be rolled up; tried again in an hour", *period)
            return False
        return True

    def _build(self, period: Period, built: str) -> None:
        since = datetime.fromisoformat(period.day) + timedelta(hours=period.hour % 24)
        until = since + timedelta(hours=24 if period.hour == 24 else 1)
        named = {**period._asdict(), "built": built, "since": f"{since}", "until": f"{until}", "model": ""}
        # What is wasted in an hour is judged by hours around it: one without calls may be as long to read as they are.
        if self._store.query(_HAS_CALLS, named).rows:
            for building, more in self._buildings(period.subject, named):
                self._store.command_beside(building, {**named, **more})
        self._store.command_beside(_DECLARE, {**named, "after_s": self._usable_after_s})

    def _buildings(self, subject: str, named: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The statements that build it, and what each needs besides."""
        if subject == "calls":
            yield from ((building, {}) for building in _CALLS_BUILDINGS)
        else:
            yield from ((_WASTE_BUILDING, {"slices": slices}) for slices in self._slices(named))

    def _slices(self, named: Mapping[str, Any]) -> Iterator[list[int]]:
        """The slices of agents that are judged together."""
        together: list[int] = []
        calls_together = 0
        for number, calls in self._store.query(_SLICES, dict(named)).rows:
            if together and calls_together + calls > _CALLS_AT_ONCE:
                yield together
                together, calls_together = [], 0
            together.append(number)
            calls_together += calls
        yield together

    def _remove_superseded(self, made: Mapping[Period, str]) -> None:
        """Together for all that was made, as the parts that hold a day hold others, and are written anew."""
        for table, subject in _TABLES.items():
            periods = [period for period in made if period.subject == subject]
            if not periods:
                continue
            first_built = min(made[period] for period in periods)
            named = {
                "days": sorted({period.day for period in periods}),
                "periods": [f"{period.day} {period.hour}" for period in periods],
                "first_built": first_built,
                "oldest": f"{date.fromisoformat(first_built[:10]) - timedelta(days=HOURS_KEPT_DAYS)}",
            }
            ((superseded,),) = self._store.query(f"SELECT count() FROM {table} WHERE {_SUPERSEDED}", dict(named)).rows  # noqa: S608
            if superseded:
                self._store.command_beside(
                    f"ALTER TABLE {table}{self._held_in} DELETE WHERE {_SUPERSEDED} {_WAITING}", dict(named)
                )

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE_S):
            try:
                self.make()
            except RetryableError as error:
                _log.info("roll-ups wait, as %s", error)
            except PermanentError:
                _log.exception("closed hours are not rolled up; questions read the calls themselves")
