"""Roll-ups give the answers that the calls themselves give, and are not used where they would not."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from spanledger_collector import rolled_days
from spanledger_collector.export import roll_up
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.roll_up import Period, RollUps
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.price import Catalogue
from spanledger_collector.price.reprice import Interval, Repricer
from spanledger_collector.price.tables import record
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.rolled_days import RolledDays

from .random_calls import answers, call, write

FIRST_DAY, DAYS, CALLS = 20_605, 4, 600
"""From 2026-06-01 on."""
FIRST = [Period("calls", "2026-06-01", 24), Period("waste", "2026-06-01", 24)]
DAY_NS = 86_400 * 10**9
RANGES: list[dict[str, str]] = [
    {},
    {"since": "2026-06-01T10:20:30.000000001Z", "until": "2026-06-04T07:59:59.999999999Z"},
    {"since": "2026-06-02T05:00:00Z", "until": "2026-06-02T11:30:00Z", "team": "team-1"},
    {"since": "2026-06-02T00:00:00Z", "until": "2026-06-04T00:00:00Z"},
    {"since": "2026-06-01T23:59:59.999999999Z", "until": "2026-06-03T00:00:00.000000001Z", "agent": "agent-1"},
    {"user": "user-3"},
    {"task": "task-3"},
    {"model": "gpt-4o"},
    {"by": "user", "then": "model", "step": "hour"},
]
PRICES = """
prices:
  - {provider: openai, model: gpt-4o, reason: test, cards: [{valid_from: 2026-06-02, input: '2', output: '8'}]}
"""


def total(store: Store) -> Any:
    """The sums of the whole ledger."""
    return StoreAsker(store).ask("spend_total", {}).rows


def rolled(store: Store) -> int:
    """How many of the ledger's days questions read from roll-ups."""
    ((days, judged_days),) = store.query(
        "SELECT countIf(subject = 'calls'), countIf(subject = 'waste') FROM rolled_period FINAL "
        "WHERE built > toDateTime64(0, 6, 'UTC') AND hour = 24 AND day IN (SELECT toDate(started_at) FROM calls)"
    ).rows
    return int(min(days, judged_days))


@pytest.fixture(scope="module")
def priced_store(empty_store: Store) -> Store:
    """A store with prices and a rate of exchange, and no calls."""
    record(empty_store, Catalogue.load())
    empty_store.insert(
        "display_rate",
        ("currency", "valid_from", "rate", "catalogue_version"),
        [["EUR"], [1_767_225_600], [Decimal("0.9")], ["v1"]],
    )
    return empty_store


@pytest.fixture
def unrolled(priced_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A ledger of four closed days; days that are given up may be rolled up again at once."""
    monkeypatch.setattr(rolled_days, "LEASE_S", 0)
    for table in ("calls", "rolled_period", "call_rollup", "run_rollup", "waste_rollup", "repricing", "repriced_call"):
        priced_store.command(f"TRUNCATE TABLE {table}")
    chance = random.Random(7)
    write(priced_store, [call(number, chance, FIRST_DAY * DAY_NS, DAYS * DAY_NS) for number in range(CALLS)], 1)
    return priced_store


@pytest.fixture
def ledger(unrolled: Store) -> Store:
    """The ledger with all its days rolled up."""
    RollUps(unrolled, usable_after_s=0).make()
    assert rolled(unrolled) == DAYS
    return unrolled


def check_the_same(store: Store, ranges: Sequence[Mapping[str, str]] = RANGES[1:2]) -> None:
    """Ask what is not rolled up, roll it up, and compare; nothing of former roll-ups is left."""
    from_calls = answers(store, ranges)
    RollUps(store, usable_after_s=0).make()
    assert rolled(store) == DAYS
    for table in ("call_rollup", "run_rollup", "waste_rollup"):
        assert store.query(f"SELECT uniqExact(day), uniqExact(day, built) FROM {table}").rows == [(DAYS, DAYS)]
    from_roll_ups = answers(store, ranges)
    for (name, number), rows in from_calls.items():
        assert rows or number, name
        assert from_roll_ups[name, number] == rows, (name, ranges[number])


def test_a_ledger_answers_the_same_from_roll_ups(unrolled: Store) -> None:
    """Every question, over all times and over times that cut hours, answers to the digit what the calls say."""
    assert rolled(unrolled) == 0
    check_the_same(unrolled, RANGES)
    assert RollUps(unrolled, usable_after_s=0).make() == []


def test_roll_ups_are_what_is_read(ledger: Store) -> None:
    """A row that is written past the ledger's own way is not seen until its day is given up."""
    before = total(ledger)
    ledger.command(
        "INSERT INTO calls (call_id, started_at, cost_usd, version) VALUES ('x', '2026-06-02 12:00:00', 5, 1)"
    )
    assert total(ledger) == before
    RolledDays(ledger).give_up([FIRST_DAY + 1])
    assert total(ledger) != before
    check_the_same(ledger)


def test_late_copies_and_deleted_rows_give_their_days_up(ledger: Store) -> None:
    """What is rewritten, moved to another hour or taken out shows at once, and in the roll-ups made anew."""
    before = total(ledger)
    chance = random.Random(8)
    changed = [call(number, chance, FIRST_DAY * DAY_NS + number * 10**12, 1) for number in range(60)]
    write(ledger, changed, 2)
    gone = ledger.query(
        "SELECT toRelativeHourNum(started_at), call_id FROM calls FINAL ORDER BY call_id DESC LIMIT 40"
    ).rows
    Ledger(ledger).write_rows([LedgerRow((hour, call_id), None, 9) for hour, call_id in gone])
    assert rolled(ledger) < DAYS
    assert total(ledger) != before
    check_the_same(ledger)


def test_a_repricing_and_its_undoing_give_their_days_up(
    ledger: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Costs that are worked out again show at once, and only the days that they are of are built again."""
    prices = tmp_path_factory.mktemp("prices") / "own.yaml"
    prices.write_text(PRICES)
    june = Interval("2026-06-02 00:00:00.000000000", "2026-06-03 00:00:00.000000000")
    before = total(ledger)
    repricing = Repricer(ledger, Catalogue.load(prices)).commit(june)
    assert repricing.changed_calls
    assert rolled(ledger) == DAYS - 1
    assert total(ledger) != before
    check_the_same(ledger)
    Repricer(ledger, Catalogue.load()).undo(repricing.repricing_id)
    RollUps(ledger, usable_after_s=0).make()
    assert total(ledger) == before


def test_what_was_just_built_is_not_read_yet(ledger: Store) -> None:
    """A question that began before a day was built finds it in the calls: the roll-up counts a little later."""
    before = total(ledger)
    RolledDays(ledger).give_up([FIRST_DAY])
    assert RollUps(ledger, usable_after_s=60).make() == FIRST
    ledger.command(
        "INSERT INTO calls (call_id, started_at, cost_usd, version) VALUES ('y', '2026-06-01 12:00:00', 5, 1)"
    )
    assert total(ledger) != before


def test_days_are_rolled_up_by_themselves(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once started, it builds what is given up until it is stopped."""
    monkeypatch.setattr(roll_up, "PAUSE_S", 0.01)
    RolledDays(ledger).give_up([FIRST_DAY, FIRST_DAY + 1])
    assert rolled(ledger) == DAYS - 2
    roll_ups = RollUps(ledger, usable_after_s=0)
    roll_ups.start()
    deadline_s = time.monotonic() + 60
    try:
        while rolled(ledger) < DAYS and time.monotonic() < deadline_s:
            time.sleep(0.05)
    finally:
        roll_ups.stop()
    assert rolled(ledger) == DAYS


def test_two_processes_may_build_a_day_at_once(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds in the middle of building that another was faster builds the same."""
    RolledDays(ledger).give_up([FIRST_DAY])
    from_calls = answers(ledger, RANGES[:1])
    ((earlier,),) = ledger.query("SELECT toString(now64(6, 'UTC'))").rows
    build, others = ledger.command_beside, [RollUps(ledger, usable_after_s=0)]

    def outrun(sql: str, parameters: dict[str, Any] | None = None) -> None:
        if "INSERT INTO call_rollup" in sql and others:
            others.pop()._build(FIRST[0], earlier)
        build(sql, parameters)

    monkeypatch.setattr(ledger, "command_beside", outrun)
    assert RollUps(ledger, usable_after_s=0).make() == FIRST
    assert not others
    assert rolled(ledger) == DAYS
    assert answers(ledger, RANGES[:1]) == from_calls


def test_a_building_that_a_write_overtakes_does_not_count(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that is given up while it is built stays given up, and is not built again until the rows are there."""
    RolledDays(ledger).give_up([FIRST_DAY])
    roll_ups = RollUps(ledger, usable_after_s=0)
    build = ledger.command_beside

    def overtaken(sql: str, parameters: dict[str, Any] | None = None) -> None:
        build(sql, parameters)
        if "INSERT INTO run_rollup" in sql:
            RolledDays(ledger).give_up([FIRST_DAY])

    monkeypatch.setattr(rolled_days, "LEASE_S", 600)
    monkeypatch.setattr(ledger, "command_beside", overtaken)
    assert roll_ups.make() == FIRST[:1]
    assert rolled(ledger) == DAYS - 1
    assert roll_ups.make() == []


def test_days_without_calls_are_not_built(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wasted in a day is judged by the hours around it, which are not read for none."""
    RolledDays(ledger).give_up([FIRST_DAY - 1])
    statements: list[str] = []
    command = ledger.command_beside
    monkeypatch.setattr(ledger, "command_beside", lambda sql, named=None: (statements.append(sql), command(sql, named)))
    made = RollUps(ledger, usable_after_s=0).make()
    assert [period[:2] for period in made] == [("calls", "2026-05-31"), ("waste", "2026-05-31")]
    assert [sql for sql in statements if "_rollup (" in sql] == []


def test_what_is_wasted_is_judged_some_agents_at_a_time(ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of many calls is judged in several statements of bounded memory, to the same answers."""
    from_roll_ups = answers(ledger, RANGES[:1])
    monkeypatch.setattr(roll_up, "_CALLS_AT_ONCE", 1)
    RolledDays(ledger).give_up([FIRST_DAY])
    judged: list[Any] = []
    command = ledger.command_beside

    def noted(sql: str, named: dict[str, Any] | None = None) -> None:
        if named and "slices" in named:
            judged.append(named["slices"])
        command(sql, named)

    monkeypatch.setattr(ledger, "command_beside", noted)
    assert RollUps(ledger, usable_after_s=0).make() == FIRST
    assert len(judged) > 1
    assert all(len(slices) == 1 for slices in judged)
    assert answers(ledger, RANGES[:1]) == from_roll_ups


def test_a_day_that_takes_too_much_memory_is_left_alone(
    ledger: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, others are rolled up, questions read its calls, and it is not tried again until some time later."""
    RolledDays(ledger).give_up([FIRST_DAY - 1, FIRST_DAY])
    from_calls = answers(ledger, RANGES[:1])
    roll_ups = RollUps(ledger, usable_after_s=0)
    bound = ledger._work_client.get_client_setting("max_memory_usage")
    ledger._work_client.set_client_setting("max_memory_usage", 100_000)
    try:
        made = roll_ups.make()
    finally:
        ledger._work_client.set_client_setting("max_memory_usage", bound)
    assert {period.day for period in made} == {"2026-05-31"}
    assert "waste of 2026-06-01, hour 24, takes too much memory" in caplog.text
    assert rolled(ledger) == DAYS - 1
    assert roll_ups.make() == []
    assert answers(ledger, RANGES[:1]) == from_calls
    later_s = time.monotonic() + roll_up.PUT_OFF_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    assert roll_ups.make() == FIRST
    assert answers(ledger, RANGES[:1]) == from_calls


@pytest.mark.parametrize(("hour", "hours"), [(0, {0, 1, 2}), (12, {10, 11, 12, 13, 14}), (23, {21, 22, 23})])
def test_what_is_wasted_around_a_call_is_judged_anew(hour: int, hours: set[int]) -> None:
    """What was wasted in a call is judged by those of two hours before and after it, of the same day."""
    first = FIRST_DAY * 24
    assert rolled_days.neighbours([first + hour]) == {first + one for one in hours}
