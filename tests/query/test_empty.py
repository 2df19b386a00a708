"""Every question on a store without a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.export.store import Store
from spanledger_collector.query.library import Query, load
from spanledger_collector.query.run import StoreAsker

TOTALS = ("spend_total", "whatif")


@pytest.mark.parametrize("name", [name for name in load() if name not in TOTALS])
def test_a_list_is_empty(empty_store: Store, name: str) -> None:
    """A question that lists something answers no row, and still names its columns."""
    answer = StoreAsker(empty_store).ask(name, {})
    assert answer.rows == []
    assert answer.columns == tuple(column.name for column in load()[name].columns)


def test_the_total_of_nothing(empty_store: Store) -> None:
    """No calls are zero calls, but the cost of none is null: nothing was priced."""
    answers = [StoreAsker(empty_store).ask(name, {}) for name in TOTALS]
    spent, swapped = (dict(zip(answer.columns, answer.rows[0], strict=True)) for answer in answers)
    assert (spent["calls"], spent["unpriced_calls"], spent["total_cost_usd"]) == (0, 0, None)
    assert (spent["priced_tasks"], spent["average_task_cost_usd"], spent["median_task_cost_usd"]) == (0, None, None)
    assert (swapped["calls"], swapped["compared_cost_usd"], swapped["swapped_cost_usd"]) == (0, None, None)


def test_the_library_is_the_folder() -> None:
    """Each file of the folder is a question, found through the installed package."""
    folder = Path(__file__).parents[2] / "queries"
    assert {path.stem for path in folder.glob("*.sql")} == set(load())
    assert all(isinstance(query, Query) for query in load().values())
