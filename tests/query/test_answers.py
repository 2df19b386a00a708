"""Every question on a ledger with known truth, costs that are unknown among them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_collector.export.store import Store
from spanledger_collector.query.library import load
from spanledger_collector.query.render import records
from spanledger_collector.query.run import StoreAsker, bind

CASES = yaml.safe_load((Path(__file__).parent / "expected.yaml").read_text("utf-8"))
BREAKDOWNS = ("spend", "spend_trend", "cost_per_task", "cost_per_task_by_agent", "call_distribution")
SPEND = [name for name in load() if name.startswith("spend_by_")]


def ask(store: Store, name: str, **texts: str) -> list[dict[str, Any]]:
    """The answer as mappings, money still a ``Decimal``."""
    answer = StoreAsker(store).ask(name, texts)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['query']} {case['parameters']}")
def test_answer(store: Store, case: dict[str, Any]) -> None:
    """The question answers exactly the expected rows, in their order."""
    answer = StoreAsker(store).ask(case["query"], case["parameters"])
    assert records(answer) == case["rows"]


def test_every_question_has_a_case() -> None:
    """A new question cannot come without rows that show what it answers."""
    assert {case["query"] for case in CASES} == set(load())


@pytest.mark.parametrize("name", load())
def test_header_names_the_columns_of_the_body(store: Store, name: str) -> None:
    """The statement answers the columns that its header promises, in that order."""
    query = load()[name]
    # Where there are no rows chDB names no columns; it describes them all the same.
    described = store.query(f"DESCRIBE TABLE (\n{query.sql}\n)", bind(query, {})).rows
    assert [row[0] for row in described] == [column.name for column in query.columns]


@pytest.mark.parametrize("name", load())
def test_money_is_decimal(store: Store, name: str) -> None:
    """No column in dollars ever becomes a float."""
    money = [column.name for column in load()[name].columns if column.unit == "USD"]
    values = [row[column] for row in ask(store, name) for column in money]
    assert {type(value) for value in values} <= {Decimal, type(None)}


@pytest.mark.parametrize("name", [*SPEND, *BREAKDOWNS])
def test_each_breakdown_adds_up_to_the_total(store: Store, name: str) -> None:
    """However spend is cut, no dollar and no unpriced call is lost or doubled."""
    total = ask(store, "spend_total")[0]
    rows = ask(store, name)
    assert sum(row["total_cost_usd"] or 0 for row in rows) == total["total_cost_usd"]
    assert sum(row["unpriced_calls"] for row in rows) == total["unpriced_calls"]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2026-03-01T10:00:00.000000001Z", "2026-03-01T10:00:01Z", 1),
        ("2026-03-01T10:00:00.000000002Z", "2026-03-01T10:00:01Z", 0),
        ("2026-03-01T09:00:00Z", "2026-03-01T10:00:00.000000001Z", 0),
    ],
)
def test_times_hold_to_the_nanosecond(store: Store, since: str, until: str, found: int) -> None:
    """Since is included, until is not, at the resolution of the ledger."""
    assert len(ask(store, "calls", since=since, until=until)) == found


@pytest.mark.parametrize("text", ["' OR 1 = 1 --", "\\", "{agent:String}", "T-1'; DROP TABLE calls", "ü\n\t"])
def test_a_value_is_never_sql(store: Store, text: str) -> None:
    """Whatever a parameter holds is compared, not run."""
    assert ask(store, "calls", task=text) == []
    assert len(ask(store, "calls")) == 9
