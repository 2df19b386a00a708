"""A month of 200 agents with planted waste, a price change and a model switch: the answers name them to the cent.

Every agent does one task a day at noon: four model calls whose context grows and is read from the cache, each but the
last followed by a tool. What is planted departs from that in one way, and its dollars are worked out here by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
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
from spanledger_collector.price.calls import priced
from spanledger_collector.price.tables import record
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.rolled_days import RolledDays

AGENTS, DAYS, PRICE_DAY, SWITCH_DAY = 200, 30, 15, 22
JUNE_S = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
DAY_S = 86_400
INPUTS = (2000, 3000, 4000, 5000)
OUTPUT = 200
PRICES = """
prices:
  - provider: openai
    model: house-big
    reason: test
    cards:
      - {valid_from: 2026-01-01, input: '2', cache_read: '0.2', output: '8'}
      - {valid_from: 2026-06-15, input: '3', cache_read: '0.3', output: '12'}
  - provider: openai
    model: house-small
    reason: test
    cards: [{valid_from: 2026-01-01, input: '0.2', cache_read: '0.02', output: '0.8'}]
  - provider: anthropic
    model: house-writer
    reason: test
    cards: [{valid_from: 2026-01-01, input: '1', cache_read: '0.1', cache_write: '1.25', output: '4'}]
"""
TOOLS, DEFINITIONS_TOKENS, BYTES_A_TOKEN = 20, 1200, 3
MICRO = Decimal("0.000001")
UNCACHED, CACHED = 2000 + 1000 + 1000 + 1000, 2000 + 3000 + 4000
TASK_USD = (UNCACHED * 2 + CACHED * Decimal("0.2") + 4 * OUTPUT * 8) * MICRO
"""A task as it should be, at the big model's first price; the second is half as much again, the small one's a tenth."""

EMPTY_CALL = Call(
    call_id="", kind="llm", trace_id="", span_id="", started_at_ns=0, duration_ms=900.0, ttft_ms=None, status="ok",
    error_type="", service="app", dialect="spanledger", provider="openai", operation="chat", request_model="",
    response_model="", response_id="r", stream=False, input_tokens=None, cache_read_tokens=None,
    cache_write_tokens=None, cache_write_1h_tokens=None, output_tokens=None, reasoning_tokens=None,
    usage_status="reported", cost_usd=None, reported_cost_usd=None, price_status="", price_card_id="", service_tier="",
    tool_name="", tool_call_id="", tool_arguments_hash="", task="", agent="", team="", user="", session="",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One agent's task of one day, as it should be; methods make it otherwise."""

    agent: int
    day: int

    @property
    def name(self) -> str:
        """As the ledger has it."""
        return f"task-{self.agent:03d}-{self.day:02d}"

    @property
    def model(self) -> str:
        """Half of the agents change on one day."""
        small = self.agent >= AGENTS // 2 and self.day >= SWITCH_DAY
        return "house-small" if small else "house-big"

    def llm(self, input_tokens: int, cached: int = 0, **changes: Any) -> Call:
        """A model call."""
        usage = {"input_tokens": input_tokens, "cache_read_tokens": cached, "output_tokens": OUTPUT}
        return EMPTY_CALL._replace(**{"request_model": self.model, **usage, **changes})

    def tool(self, arguments: str) -> Call:
        """A run of the search tool."""
        return EMPTY_CALL._replace(
            kind="tool", operation="execute_tool", tool_name="search", tool_arguments_hash=arguments
        )

    def usual(self, factor: int = 1, **changes: Any) -> list[Call]:
        """The four calls and three tools; ``factor`` scales the context, ``changes`` go to the model calls."""
        steps: list[Call] = []
        cached = 0
        for number, tokens in enumerate(INPUTS):
            steps.append(self.llm(tokens * factor, cached, **changes))
            cached = tokens * factor
            if number < len(INPUTS) - 1:
                steps.append(self.tool(f"{self.name}-{number}"))
        return steps

    def calls(self) -> list[Call]:
        """What the agent did, planted waste included."""
        steps = self.usual()
        match self.agent, self.day:
            case agent, 5 if agent < 10:
                # The third search is made five times more.
                again = [self.llm(4000, 4000), steps[-2]]
                steps = [*steps[:-1], *again * 5, steps[-1]]
            case agent, 7 if 10 <= agent < 15:
                failed = self.llm(8000, status="error", error_type="overloaded", output_tokens=0)
                steps = [failed] * 5 + steps
            case agent, 9 if 20 <= agent < 30:
                steps = [self.llm(tokens) for tokens in (20_000, 22_000, 24_000, 26_000)]
            case 30, 10:
                writer = {"provider": "anthropic", "request_model": "house-writer", "cache_write_tokens": 10_000}
                steps = [self.llm(12_000, **writer)]
            case agent, 11 if 40 <= agent < 45:
                steps = [*steps, self.llm(1000, output_tokens=5)]
            case 50, 12:
                steps = [*steps, *Task(self.agent, self.day + 100).usual()]
            case 51, 12:
                steps = self.usual(factor=3)
            case 52, 12:
                steps = self.usual(cache_read_tokens=0)
            case 53, 12:
                steps = self.usual(request_model="house-small")
            case 54, 12:
                steps = self.usual(output_tokens=OUTPUT * 4)
            case agent, 13 if 60 <= agent < 65:
                # Offered at every call, served from the cache from the second on.
                steps = [measured(step, repeats=step.cache_read_tokens) for step in self.usual()]
            case 70, 13:
                # Two conversations take turns: what the third call repeats is not the call before it.
                steps = [self.llm(20_000), self.llm(2000), self.llm(22_000)]
                steps = [measured(step, repeats, 0) for step, repeats in zip(steps, (0, 0, 20_000), strict=True)]
            case 71, 13:
                steps = [self.llm(20_000), self.llm(22_000), self.llm(24_000)]
                steps = [measured(step, repeats) for step, repeats in zip(steps, (0, 20_000, 22_000), strict=True)]
            case 72, 13:
                steps = [self.llm(5000), self.llm(5000, output_tokens=5)]
            case 73, 13:
                small = {"request_model": "house-small"}
                steps = [self.llm(5000, **small), self.llm(5000, output_tokens=5, **small)]
        noon_ns = (JUNE_S + (self.day - 1) * DAY_S + DAY_S // 2) * 10**9
        return [
            step._replace(
                call_id=f"{self.name}-{place:02d}", started_at_ns=noon_ns + place * 2 * 10**9, task=self.name,
                agent=f"agent-{self.agent:03d}", team=f"team-{self.agent % 8}",
            )
            for place, step in enumerate(steps)
        ]  # fmt: skip


def measured(step: Call, repeats: int | None, tools: int = TOOLS) -> Call:
    """A model call whose input was measured: so many tokens of it sent before, so many tools offered."""
    if step.kind == "tool":
        return step
    return step._replace(
        input_bytes=(step.input_tokens or 0) * BYTES_A_TOKEN,
        repeated_input_bytes=(repeats or 0) * BYTES_A_TOKEN,
        tool_definitions=tools,
        tool_definitions_bytes=DEFINITIONS_TOKENS * BYTES_A_TOKEN if tools else 0,
        tool_definitions_hash="c0ffee" if tools else "",
    )


def month() -> Iterator[Call]:
    """All calls of the month."""
    for day in range(1, DAYS + 1):
        for agent in range(AGENTS):
            yield from Task(agent, day).calls()


@pytest.fixture(scope="module")
def asker(empty_store: Store, tmp_path_factory: pytest.TempPathFactory) -> StoreAsker:
    """The month, priced by a catalogue and written as the pipeline writes it; it may be rolled up at once."""
    own = tmp_path_factory.mktemp("prices") / "own.yaml"
    own.write_text(PRICES)
    catalogue = Catalogue.load(own)
    record(empty_store, catalogue)
    calls = (priced(call, catalogue) for call in month())
    rows = [LedgerRow((call.started_at_ns // NS_PER_HOUR, call.call_id), call, 1) for call in calls]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rolled_days, "LEASE_S", 0)
        Ledger(empty_store).write_rows(rows)
    return StoreAsker(empty_store)


def ask(asker: StoreAsker, name: str, **texts: str) -> list[dict[str, Any]]:
    """The answer as mappings."""
    answer = asker.ask(name, texts)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_waste_names_what_was_planted(asker: StoreAsker) -> None:
    """Each planted waste is found with its dollars, its task and its calls; nothing else is."""
    found: dict[str, set[tuple[str, int, Decimal]]] = defaultdict(set)
    for row in ask(asker, "waste"):
        found[row["rule"]].add((row["task"], row["calls"], row["wasted_cost_usd"].normalize()))

    def planted(agents: range, day: int, calls: int, dollars: str) -> set[tuple[str, int, Decimal]]:
        return {(Task(agent, day).name, calls, Decimal(dollars).normalize()) for agent in agents}

    small_answer = (1000 * 2 + 5 * 8) * MICRO * Decimal("0.9")
    assert found == {
        # Five calls of 4000 tokens from the cache and 200 of output.
        "loop": planted(range(10), 5, 5, "0.012"),
        # Five failures of 8000 tokens.
        "retry_storm": planted(range(10, 15), 7, 5, "0.08"),
        # 66,000 tokens at 2 instead of 0.2 dollars a million; and what agent 52 read again.
        "re_read": planted(range(20, 30), 9, 3, "0.1188")
        | {
            (Task(52, 12).name, 3, Decimal("0.0162")),
            # 20,000 tokens that the call before the last had sent; and 20,000 and 22,000 beside tools.
            (Task(70, 13).name, 1, Decimal("0.036")),
            (Task(71, 13).name, 2, Decimal("0.0756")),
            # A small answer by the small model.
            (Task(73, 13).name, 1, Decimal("0.0009")),
        },
        # 10,000 tokens at 1.25 instead of 1.
        "unused_cache_write": {(Task(30, 10).name, 1, Decimal("0.0025"))},
        # 19 of 20 tools: 1140 tokens at 2, then three times at 0.2. Or all of them where none ran: 1200 at 2, and twice
        # at 0.2, as the rest of their price is the re-read's.
        "oversized_tools": planted(range(60, 65), 13, 4, "0.002964") | {(Task(71, 13).name, 3, Decimal("0.00288"))},
        # By the big model, where the small one costs a tenth. What it repeats is in that.
        "dear_small_answer": planted(range(40, 45), 11, 1, str(small_answer))
        | {(Task(72, 13).name, 1, (5000 * 2 + 5 * 8) * MICRO * Decimal("0.9"))},
    }


def test_a_finding_names_its_calls_and_its_rule(asker: StoreAsker) -> None:
    """The calls of a finding are those that were planted, and its rule stands beside it in words."""
    (loop,) = ask(asker, "waste", task=Task(3, 5).name)
    assert loop["about"] == "search"
    assert loop["call_ids"].split(",") == [f"task-003-05-{place:02d}" for place in (6, 8, 10, 12, 14)]
    assert "running a tool again with the same arguments" in loop["rule_text"]


@pytest.mark.parametrize("ids", [0, 2])
def test_a_finding_names_as_many_calls_as_are_asked_for(asker: StoreAsker, ids: int) -> None:
    """With fewer ids the oldest are left, and all else is the same."""
    expected = [{**row, "call_ids": ",".join(row["call_ids"].split(",")[:ids])} for row in ask(asker, "waste")]
    assert ask(asker, "waste", ids=str(ids)) == expected != []


def test_unused_tools_are_counted(asker: StoreAsker) -> None:
    """A finding about tools says how many of those offered were never run."""
    (found,) = ask(asker, "waste", task=Task(62, 13).name)
    assert found["about"] == "19 of 20 tools"


@pytest.mark.parametrize("parameters", [{"agent": "agent-071"}, {"team": "team-7"}, {"model": "house-big"}])
def test_a_filter_picks_findings_and_changes_none(asker: StoreAsker, parameters: dict[str, str]) -> None:
    """A task's findings are the same whatever is asked for beside it, but for how many there are in all."""
    of_all = ("findings", "total_wasted_cost_usd")

    def found(**texts: str) -> list[dict[str, Any]]:
        rows = [row for row in ask(asker, "waste", **texts) if row["task"] == Task(71, 13).name]
        return [{name: value for name, value in row.items() if name not in of_all} for row in rows]

    assert found(**parameters) == found(task=Task(71, 13).name) != []


def test_the_dearest_findings_tell_of_all(asker: StoreAsker) -> None:
    """Where a limit leaves findings out, their number and their dollars still stand in each row."""
    rows = ask(asker, "waste")
    dearest = ask(asker, "waste", limit="2")
    assert dearest == rows[:2]
    assert {row["findings"] for row in dearest} == {len(rows)}
    assert {row["total_wasted_cost_usd"] for row in dearest} == {sum(row["wasted_cost_usd"] for row in rows)}


def test_a_call_is_judged_alike_in_any_time(asker: StoreAsker) -> None:
    """Cut where it may be, in the middle of a loop or of a conversation: the parts have the findings of the whole."""
    days = {"loop": 5, "re_read": 9}
    for rule, day in days.items():
        cuts = [f"2026-06-{day:02d}T12:00:{second:02d}Z" for second in (0, 3, 9, 13, 59)]
        parts: set[str] = set()
        for since, until in pairwise(cuts):
            for row in ask(asker, "waste", since=since, until=until):
                parts.update(row["call_ids"].split(",") if row["rule"] == rule else ())
        whole = ask(asker, "waste", since=cuts[0], until=cuts[-1])
        assert parts == {one for row in whole if row["rule"] == rule for one in row["call_ids"].split(",")} != set()


def test_trend_explains_the_price_change(asker: StoreAsker) -> None:
    """The day the price rises by half, the whole change is the price's: same calls, same models, same tokens."""
    day = {row["period"]: row for row in ask(asker, "spend_trend")}[f"2026-06-{PRICE_DAY}T00:00:00Z"]
    assert day["change_by_price_usd"] == AGENTS * TASK_USD / 2
    others = ("volume", "mix", "tokens")
    assert [day[f"change_by_{other}_usd"] for other in others] == [0, 0, 0]


def test_trend_explains_the_model_switch(asker: StoreAsker) -> None:
    """The day half of the agents change model, the whole change is the mix's."""
    day = {row["period"]: row for row in ask(asker, "spend_trend")}[f"2026-06-{SWITCH_DAY}T00:00:00Z"]
    assert day["change_by_mix_usd"] == AGENTS // 2 * (TASK_USD / 10 - TASK_USD * 3 / 2)
    others = ("volume", "tokens", "price")
    assert [day[f"change_by_{other}_usd"] for other in others] == [0, 0, 0]


@pytest.mark.parametrize("step", ["hour", "day", "week"])
def test_the_parts_of_a_trend_add_up(asker: StoreAsker, step: str) -> None:
    """In every period the four parts are the change, to the last digit, and the changes lead from cost to cost."""
    rows = ask(asker, "spend_trend", step=step)
    former = rows[0]["total_cost_usd"]
    for row in rows[1:]:
        parts = [row[f"change_by_{part}_usd"] for part in ("volume", "mix", "tokens", "price")]
        assert sum(parts) == row["change_usd"] == (row["total_cost_usd"] or 0) - former
        former = row["total_cost_usd"] or Decimal(0)


@pytest.mark.parametrize(
    ("agent", "day", "part", "dollars"),
    [
        (3, 5, "loops", Decimal("0.012")),
        (12, 7, "retries", Decimal("0.08")),
        (50, 12, "more_calls", TASK_USD),
        (51, 12, "larger_context", 2 * (UNCACHED * 2 + CACHED * Decimal("0.2")) * MICRO),
        (52, 12, "cache_misses", CACHED * Decimal("1.8") * MICRO),
        (53, 12, "dearer_model", TASK_USD / 10 - TASK_USD),
        (54, 12, "longer_answers", 3 * 4 * OUTPUT * 8 * MICRO),
    ],
)
def test_explain_names_the_cause(asker: StoreAsker, agent: int, day: int, part: str, dollars: Decimal) -> None:
    """A task that departs from its agent's median in one way is explained by that way alone, to the cent."""
    until = f"2026-06-{PRICE_DAY}T00:00:00Z"
    rows = ask(asker, "explain_task", explained=Task(agent, day).name, until=until)
    assert {row["part"]: row["difference_usd"] for row in rows if row["difference_usd"]} == {part: dollars}
    assert rows[0]["median_cost_usd"] == TASK_USD


def test_the_parts_of_an_explanation_add_up(asker: StoreAsker) -> None:
    """Whatever the two tasks are, the parts are the difference to the last digit."""
    for task in (Task(30, 10), Task(25, 9), Task(42, 11), Task(150, 3), Task(0, 30)):
        rows = ask(asker, "explain_task", explained=task.name)
        assert sum(row["difference_usd"] for row in rows) == rows[0]["task_cost_usd"] - rows[0]["median_cost_usd"]


def test_outliers_stand_out(asker: StoreAsker) -> None:
    """The tasks that cost at least three times their agent's median are marked, and no others."""
    until = f"2026-06-{PRICE_DAY}T00:00:00Z"
    outliers = {row["task"] for row in ask(asker, "top_tasks", top="0", until=until) if row["is_outlier"]}
    assert outliers == {Task(agent, 7).name for agent in range(10, 15)} | {
        Task(agent, 9).name for agent in range(20, 30)
    } | {Task(agent, 13).name for agent in (70, 71)}


def test_rolled_days_have_the_findings_of_their_calls(asker: StoreAsker, empty_store: Store) -> None:
    """Waste is the same to the last digit from calls and from roll-ups, also where the time cuts a rolled day."""
    times = [
        {"since": "2026-06-05T12:00:11Z", "until": "2026-06-14T00:00:00Z"},
        {"since": "2026-06-07T00:00:00Z", "until": "2026-06-13T12:00:03Z", "agent": "agent-071"},
    ]
    from_calls = [ask(asker, "waste", **time) for time in times]
    first_day = JUNE_S // DAY_S
    RolledDays(empty_store).give_up([first_day + day - 1 for day in range(1, DAYS + 1) if day not in (5, 7, 12, 13)])
    assert len(RollUps(empty_store, usable_after_s=0).make()) == 2 * 4
    assert [ask(asker, "waste", **time) for time in times] == from_calls
    # Were the calls looked at, these would still be found.
    empty_store.command("DELETE FROM waste_rollup WHERE rule = 'retry_storm'")
    assert {row["rule"] for row in ask(asker, "waste", **times[0])} == {
        row["rule"] for row in from_calls[0] if row["rule"] != "retry_storm"
    }
