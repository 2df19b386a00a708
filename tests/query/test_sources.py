"""Sources stand in the statements that read them, narrowed to what is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spanledger_collector.query.library import Query, load
from spanledger_collector.query.sources import columns_of, expanded

FOLDER = Path(__file__).parents[2] / "queries" / "sources"
SOURCES = [path.stem for path in sorted(FOLDER.glob("*.sql"))]


@pytest.mark.parametrize("source", SOURCES)
def test_the_parts_of_a_source_have_the_same_columns(source: str) -> None:
    """What is a column of one part of a UNION is one of the others, at the same place."""
    first, *others = columns_of(source)
    assert first
    assert all(columns == first for columns in others)


@pytest.mark.parametrize("query", load().values(), ids=lambda query: query.name)
def test_no_source_is_left_to_expand(query: Query) -> None:
    """A statement reads tables and views of the database alone."""
    assert not re.search(rf"\b(?:{'|'.join(SOURCES)})\(", query.sql)
    assert "{grain}" not in query.sql


def test_a_source_has_the_columns_that_are_read() -> None:
    """Of forty columns a statement has those that it reads, in every part, under the alias that it gives the source."""
    sql = expanded("SELECT sum(g.calls), max(g.hour)\nFROM call_groups('day') AS g\nWHERE g.team = 'core'")
    assert sql.count("    team,\n") == 1
    assert "c.team AS team" in sql
    assert "WHERE grain = 'day' AND" in sql
    for absent in ("agent", "durations_ms", "price_band"):
        assert not re.search(rf"^\s+(?:c\.)?{absent}\b|AS {absent},", sql, re.MULTILINE)


def test_a_source_may_be_joined() -> None:
    """It stands in its place, with what it is joined on behind it."""
    sql = expanded("SELECT k.bands\nFROM calls AS c FINAL\nLEFT JOIN card_rates() AS k ON c.price_card_id = k.card_id")
    assert "\nLEFT JOIN (\n    SELECT\n        p.card_id AS card_id,\n        any(p.bands) AS bands\n    FROM" in sql
    assert sql.endswith("\n) AS k ON c.price_card_id = k.card_id")


def test_what_is_no_source_stays() -> None:
    """Table functions, views and tables are ClickHouse's to read."""
    sql = "SELECT n.number\nFROM numbers(3) AS n"
    assert expanded(sql) == sql
