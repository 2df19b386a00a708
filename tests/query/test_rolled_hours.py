"""Closed hours of today answer as their calls do, and an hour that is written to is read call by call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spanledger_collector import rolled_days
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.roll_up import RollUps
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.fold import NS_PER_HOUR
from spanledger_collector.model import Call
from spanledger_collector.price import Catalogue
from spanledger_collector.price.tables import record
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.rolled_days import RolledDays

from .random_calls import answers, call, write

NOW = datetime.now(UTC)
EVENING = NOW.replace(hour=18, minute=0, second=0, microsecond=0) - timedelta(days=1)
FIRST_HOUR = int(EVENING.timestamp()) // 3600
CLOSED_HOURS = 6 + NOW.hour
HOURS = CLOSED_HOURS + 2
"""With the one that runs, and one of an emitter whose clock is fast."""
RANGES: list[dict[str, str]] = [
    {},
    {"since": f"{NOW - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"},
    {
        "since": f"{EVENING:%Y-%m-%d}T20:20:30.000000001Z",
        "until": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H}:59:59.999Z",
    },
    {"since": f"{EVENING:%Y-%m-%d}T00:00:00Z", "limit": "5", "agent": "agent-0"},
    {"task": "task-1", "step": "hour"},
]


def busy_call(number: int, chance: random.Random, hour: int, hours: int) -> Call:
    """A call of one of few tasks, which repeat themselves, do not use the cache and are answered briefly."""
    one = call(number, chance, hour * NS_PER_HOUR, hours * NS_PER_HOUR)
    model = "gpt-4o-mini" if one.request_model == "gpt-4o" and number % 5 == 0 else one.request_model
    return one._replace(
        task=f"task-{number % 2}", agent="agent-0", request_model=model, response_model=one.response_model and model,
        tool_name=one.tool_name and "search", tool_arguments_hash=one.tool_arguments_hash and "a",
        output_tokens=one.output_tokens and chance.choice((7, 100)), input_bytes=one.input_tokens,
        tool_definitions=9, tool_definitions_hash="d",
        tool_definitions_bytes=one.input_tokens and one.input_tokens // 2,
    )  # fmt: skip


def call_that_reads_again(second: int) -> Call:
    """One of the calls of a task that sends the same input again, at a second of the second hour."""
    start_ns = (FIRST_HOUR + 1) * NS_PER_HOUR + second * 10**9
    return call(0, random.Random(0), start_ns, 1)._replace(
        call_id=f"read-again-{second}", kind="llm", status="ok", error_type="", provider="openai",
        request_model="gpt-4o", response_model="gpt-4o", input_tokens=5_000, cache_read_tokens=None,
        cache_write_tokens=None, output_tokens=100, usage_status="reported", reported_cost_usd=None, tool_name="",
        tool_arguments_hash="", task="task-of-one-reader", agent="agent-1",
    )  # fmt: skip


@pytest.fixture(scope="module")
def ledger(empty_store: Store) -> Iterator[Store]:
    """A ledger of yesterday and today; what is given up may be rolled up again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rolled_days, "LEASE_S", 0)
        record(empty_store, Catalogue.load())
        chance = random.Random(7)
        busy = [busy_call(number, chance, FIRST_HOUR, HOURS) for number in range(HOURS * 25)]
        write(empty_store, [*busy, call_that_reads_again(600), call_that_reads_again(630)], 1)
        yield empty_store


def rolled_hours(store: Store) -> set[tuple[str, int]]:
    """Whether calls or waste, and which hour since that of `FIRST_HOUR`."""
    found = store.query(
        "SELECT subject, toInt64(day) * 24 + hour FROM rolled_period FINAL "
        "WHERE built > toDateTime64(0, 6, 'UTC') AND hour < 24"
    )
    return {(subject, hour - FIRST_HOUR) for subject, hour in found.rows}


def give_all_up(store: Store) -> None:
    """Have every call read."""
    RolledDays(store).give_up_hours(range(FIRST_HOUR, FIRST_HOUR + HOURS))


def total(store: Store) -> Any:
    """The sums of the whole ledger."""
    return StoreAsker(store).ask("spend_total", {}).rows


def test_a_ledger_answers_the_same_from_hours(ledger: Store) -> None:
    """Every question answers to the digit what the calls say, also of waste that is judged an hour at a time."""
    from_calls = answers(ledger, RANGES)
    RollUps(ledger, usable_after_s=0).make()
    every_hour = {(subject, hour) for subject in ("calls", "waste") for hour in range(CLOSED_HOURS)}
    assert every_hour <= rolled_hours(ledger)
    assert max(hour for _, hour in rolled_hours(ledger)) == CLOSED_HOURS - 1
    rules = {row[0] for row in from_calls["waste", 0]}
    assert {"loop", "retry_storm", "re_read", "dear_small_answer", "oversized_tools"} <= rules
    from_hours = answers(ledger, RANGES)
    for (name, number), rows in from_calls.items():
        assert from_hours[name, number] == rows, (name, RANGES[number])
    # Yesterday is a day by now; without it its hours are read.
    ledger.command("INSERT INTO rolled_period (subject, day, hour, stamp) SELECT subject, day, hour, now64(6, 'UTC') "
                   "FROM rolled_period FINAL WHERE hour = 24")  # fmt: skip
    assert answers(ledger, RANGES[:1]) == {key: rows for key, rows in from_calls.items() if key[1] == 0}


def test_hours_are_what_is_read(ledger: Store) -> None:
    """A row that is written past the ledger's own way is not seen until its hour is given up."""
    RollUps(ledger, usable_after_s=0).make()
    before = total(ledger)
    moment = f"{EVENING + timedelta(hours=CLOSED_HOURS - 1, minutes=30):%Y-%m-%d %H:%M:%S}"
    ledger.command(f"INSERT INTO calls (call_id, started_at, cost_usd, version) VALUES ('x', '{moment}', 5, 1)")
    assert total(ledger) == before
    RolledDays(ledger).give_up_hours([FIRST_HOUR + CLOSED_HOURS - 1])
    assert total(ledger) != before


def test_a_copy_that_moves_a_call_gives_both_hours_up(ledger: Store) -> None:
    """A call that turns out to have begun in the hour before is counted once, at once, and in what is built anew."""
    RollUps(ledger, usable_after_s=0).make()
    moved = CLOSED_HOURS - 3
    before = total(ledger)
    ((call_id,),) = ledger.query(
        "SELECT min(call_id) FROM calls FINAL "
        f"WHERE toRelativeHourNum(started_at) = {FIRST_HOUR + moved} AND cost_usd > 0"
    ).rows
    number = int(call_id.removeprefix("call-"))
    earlier = busy_call(number, random.Random(number), FIRST_HOUR + moved - 1, 1)
    write(ledger, [earlier._replace(kind="tool", provider="", usage_status="missing", reported_cost_usd=None)], 2)
    Ledger(ledger).write_rows([LedgerRow((FIRST_HOUR + moved, call_id), None, 2)])
    gone = {("calls", moved - 1), ("calls", moved)}
    assert not rolled_hours(ledger) & gone
    assert ("calls", moved - 2) in rolled_hours(ledger)
    at_once = answers(ledger, RANGES[:2])
    assert at_once["spend_total", 0] != before
    RollUps(ledger, usable_after_s=0).make()
    assert gone <= rolled_hours(ledger)
    anew = answers(ledger, RANGES[:2])
    give_all_up(ledger)
    assert at_once == anew == answers(ledger, RANGES[:2])


def test_hours_that_nobody_reads_any_more_are_removed(ledger: Store) -> None:
    """Rows of hours go when they are older than any time a question reads hours of."""
    old = f"{EVENING - timedelta(days=40):%Y-%m-%d}"
    for table in ("call_rollup", "run_rollup", "waste_rollup"):
        ledger.command(f"INSERT INTO {table} (built, day, rolled_hour) VALUES (now64(6, 'UTC'), '{old}', 3)")
    RolledDays(ledger).give_up_hours([FIRST_HOUR])
    RollUps(ledger, usable_after_s=0).make()
    for table in ("call_rollup", "run_rollup", "waste_rollup"):
        assert ledger.query(f"SELECT count() FROM {table} WHERE day = '{old}'").rows == [(0,)]
