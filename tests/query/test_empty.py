"""Every question on a store without a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.export.store import Store
from spanledger_collector.query.library import Query, load
from spanledger_collector.query.run import StoreAsker

TOTAL = "spend_total"


@pytest.mark.parametrize("name", [name for name in load() if name != TOTAL])
def test_a_list_is_empty(empty_store: Store, name: str) -> None:
    """A question that lists something answers no row, and still names its columns."""
    answer = StoreAsker(empty_store).ask(name, {})
    assert answer.rows == []
    assert answer.columns == tuple(column.name for column in load()[name].columns)


def test_the_total_of_nothing(empty_store: Store) -> None:
    """No calls are zero calls, but the cost of none is null: nothing was priced."""
    answer = StoreAsker(empty_store).ask(TOTAL, {})
    total = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert (total["calls"], total["unpriced_calls"], total["total_cost_usd"]) == (0, 0, None)


def test_the_library_is_the_folder() -> None:
    """Each file of the folder is a question, found through the installed package."""
    folder = Path(__file__).parents[2] / "queries"
    assert {path.stem for path in folder.glob("*.sql")} == set(load())
    assert all(isinstance(query, Query) for query in load().values())
