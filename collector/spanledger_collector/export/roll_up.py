"""Rolls up closed days: calls in groups that no question tells apart (see ``queries/sources``).

A day is built from the ledger as it stands, whole, and counts from when its row of ``rolled_day`` says so. A building
that is cut short, or overtaken by a write, is rows that nobody reads; the next one removes them. So doing it again,
or in two processes, changes no answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from spanledger_collector.errors import PermanentError, RetryableError
from spanledger_collector.export.store import Store
from spanledger_collector.query.sources import expanded

USABLE_AFTER_S = 60
"""A question that began before a day was built may have noted the tables as they were then."""
PAUSE_S = 60.0
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


def _building(table: str, source: str, told_apart: Sequence[str], added_up: Mapping[str, str], **more: str) -> str:
    """The statement that writes a day's rows: its calls in groups.

    Where another process has rolled the day up in between, they come from its rows, which are of the same calls.
    """
    columns = {
        **more,
        **{name: f"g.{name}" for name in told_apart},
        **{name: f"{function}(g.{name})" for name, function in added_up.items()},
    }
    return expanded(
        f"INSERT INTO {table} (built, day, {', '.join(columns)})\n"
        f"SELECT {{built:DateTime64(6, 'UTC')}}, {{day:Date}}, {', '.join(columns.values())}\n"
        f"FROM {source} AS g\n"
        f"GROUP BY {', '.join(f'g.{name}' for name in told_apart)}"
    )


_WASTE_BUILDING = """
INSERT INTO waste_rollup (
    built, day, rule, about, trace_id, task, agent, team, user, provider, request_model, response_model,
    small_answer_rate, started_at, femto_usd, call_ids
)
WITH
    {since:DateTime64(9, 'UTC')} AS judged_since,
    {until:DateTime64(9, 'UTC')} AS judged_until,
    emptyArrayDate() AS judged_already
SELECT
    {built:DateTime64(6, 'UTC')}, {day:Date}, rule, about, run_trace_id, task, agent, team, user, provider,
    request_model, response_model, small_answer_rate, calls.1, calls.3, calls.2
FROM (
    SELECT
        w.rule AS rule, w.about AS about, if(w.task = '', w.trace_id, '') AS run_trace_id, w.task AS task,
        w.agent AS agent, w.team AS team, w.user AS user, w.provider AS provider, w.request_model AS request_model,
        w.response_model AS response_model, w.small_answer_rate AS small_answer_rate,
        arraySort(groupArray((w.started_at, w.call_id, w.femto_usd))) AS calls
    FROM wasted_calls() AS w
    GROUP BY ALL
)
"""
_BUILDINGS = (
    _building("call_rollup", "call_groups('run')", (*_TOLD_APART, *_TOLD_APART_BY_RUN), _ADDED_UP, grain="'run'"),
    _building(
        "call_rollup",
        "call_groups('run')",
        _TOLD_APART,
        {**_ADDED_UP, "run_keys": "groupUniqArrayArray"},
        grain="'day'",
        hour="toDateTime({day:Date}, 'UTC')",
    ),
    _building("run_rollup", "run_groups()", _RUN_TOLD_APART, _RUN_ADDED_UP),
    expanded(_WASTE_BUILDING),
)
_DECLARE = """
INSERT INTO rolled_day (day, built, usable_from, stamp)
SELECT {day:Date}, {built:DateTime64(6, 'UTC')}, now64(6, 'UTC') + toIntervalSecond({after_s:UInt32}),
    {built:DateTime64(6, 'UTC')}
"""
_TABLES = ("call_rollup", "run_rollup", "waste_rollup")
_WAITING = "SETTINGS mutations_sync = 1"
_SUPERSEDED = "day IN {days:Array(Date)} AND built < {first_built:DateTime64(6, 'UTC')}"


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
        made: dict[str, str] = {}
        while not self._stopping.is_set():
            due = self._store.query(_DUE, {"after": max(made, default="1970-01-01")}).rows
            if not due:
                break
            ((day, built),) = due
            self._build(day, built)
            made[day] = built
        if made:
            self._remove_superseded({"days": list(made), "first_built": min(made.values())})
            _log.debug("rolled up %d days, %s to %s", len(made), min(made), max(made))
        return list(made)

    def _build(self, day: str, built: str) -> None:
        next_day = date.fromisoformat(day) + timedelta(days=1)
        named = {
            "day": day, "built": built, "since": f"{day} 00:00:00.000000000",
            "until": f"{next_day} 00:00:00.000000000", "model": "",
        }  # fmt: skip
        for building in _BUILDINGS:
            self._store.command_beside(building, named)
        self._store.command_beside(_DECLARE, {**named, "after_s": self._usable_after_s})

    def _remove_superseded(self, named: Mapping[str, object]) -> None:
        """Together for all days that were made, as the parts that hold a day hold others, and are written anew."""
        for table in _TABLES:
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
                _log.exception("closed days are not rolled up; questions read the calls themselves")
