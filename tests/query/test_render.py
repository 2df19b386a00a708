"""The forms of an answer."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.library import load, parse
from spanledger_collector.query.ports import Answer
from spanledger_collector.query.render import render
from spanledger_collector.query.table import money

QUERY = parse(
    "example",
    """-- title: Example
-- purpose: What does an answer look like?
-- grain: one row
-- parameters:
--   team  String  ''  only this team
-- columns:
--   agent            name    agent
--   first_seen_at    time    ISO 8601
--   calls            calls   calls
--   call_share       share   0 to 1
--   total_cost_usd   USD     cost
--   unpriced_calls   calls   left out
--   unpriced_tokens  tokens  left out
--   stream           flag    streamed
-- chart: table
-- table:
--   agent first_seen_at calls call_share total_cost_usd unpriced_calls stream
SELECT 1
""",
)
ANSWER = Answer(
    columns=tuple(column.name for column in QUERY.columns),
    rows=[
        ("coder", "2026-03-01T10:00:00.000000001Z", 12345, 0.25, Decimal("1234.567000000000"), 0, 0, True),
        ("[red]é\x1b[31m", "2026-03-01T10:00:00.000000000Z", 1, 0.75, None, 2, None, False),
        ("b,c", "2026-03-01T10:00:00.000000000Z", 1, 0.0, Decimal("0E-12"), 1, 70, False),
    ],
)


def written(form: str, answer: Answer = ANSWER) -> str:
    """The answer in that form, as a pipe would get it."""
    stream = io.StringIO()
    render(QUERY, answer, form, stream)
    return stream.getvalue()


def test_piped_table() -> None:
    """Piped, a table is bare columns: numbers to the right, unknown a dash, and no escape sequence."""
    assert [line.rstrip() for line in written("table").splitlines()] == [
        "agent        first seen at         calls  call share       cost  unpriced calls  stream",
        "coder        2026-03-01 10:00:00  12,345         25%  $1,234.57               0  yes",
        "[red]é�[31m  2026-03-01 10:00:00       1         75%          -               2  no",
        "b,c          2026-03-01 10:00:00       1          0%      $0.00               1  no",
        "3 rows; no price is known for 3 calls with 70 known tokens, which no cost includes",
    ]


def test_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table is ruled and coloured."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    render(QUERY, ANSWER, "table", stream)
    assert "─" in stream.getvalue()
    assert "\x1b[33m3 rows" in stream.getvalue()


def test_a_course_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a question draws over time stands below its table as a line of blocks, and not in a pipe."""
    query = load()["spend_trend"]
    row = dict.fromkeys((column.name for column in query.columns), Decimal(0))
    days = [{**row, "period": f"2026-03-0{day}", "total_cost_usd": cost} for day, cost in enumerate((1, None, 4, 8), 1)]
    answer = Answer(tuple(row), [tuple(day.values()) for day in days])
    stream = io.StringIO()
    render(query, answer, "table", stream)
    assert "█" not in stream.getvalue()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    render(query, answer, "table", stream)
    assert "cost  ▂ ▅█" in stream.getvalue()


def test_a_narrow_terminal_cuts_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal is too narrow a line runs over; a figure is never shortened to look like another."""
    monkeypatch.setenv("COLUMNS", "30")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    render(QUERY, ANSWER, "table", stream)
    assert "$1,234.57" in stream.getvalue()
    assert "…" not in stream.getvalue()


def test_json() -> None:
    """JSON is a list of mappings: money a decimal string without padding, unknown null, names as they are."""
    rows = json.loads(written("json"))
    assert [row["total_cost_usd"] for row in rows] == ["1234.567", None, "0"]
    assert rows[1] == {
        "agent": "[red]é\x1b[31m",
        "first_seen_at": "2026-03-01T10:00:00.000000000Z",
        "calls": 1,
        "call_share": 0.75,
        "total_cost_usd": None,
        "unpriced_calls": 2,
        "unpriced_tokens": None,
        "stream": False,
    }


def test_jsonl() -> None:
    """JSON lines are the same mappings, one a line."""
    assert [json.loads(line) for line in written("jsonl").splitlines()] == json.loads(written("json"))


def test_csv() -> None:
    """CSV has a header, exact digits, and an empty field for unknown."""
    rows = list(csv.DictReader(io.StringIO(written("csv"))))
    assert [(row["agent"], row["total_cost_usd"]) for row in rows] == [
        ("coder", "1234.567"),
        ("[red]é\x1b[31m", ""),
        ("b,c", "0"),
    ]


@pytest.mark.parametrize(
    ("form", "text"),
    [("table", "0 rows\n"), ("json", "[]\n"), ("jsonl", ""), ("csv", ",".join(ANSWER.columns) + "\n")],
)
def test_an_empty_answer(form: str, text: str) -> None:
    """An answer without rows is well formed in every form."""
    assert written(form, Answer(ANSWER.columns, [])) == text


def test_no_such_form() -> None:
    """An unknown form is answered with those there are."""
    with pytest.raises(BadParameterError, match="no format 'xml'; there are: table, json, jsonl, csv"):
        written("xml")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("1234567.891", "$1,234,567.89"),
        ("0.25", "$0.2500"),
        ("0.0123", "$0.0123"),
        ("0.001234", "$0.0012"),
        ("0.000002345", "$0.0000023"),
        ("0.000000000001", "$0.000000000001"),
        ("-0.5", "-$0.5000"),
        ("-1234.5", "-$1,234.50"),
    ],
)
def test_money(amount: str, text: str) -> None:
    """The table shows as many places as the amount needs to tell it from nothing."""
    assert money(Decimal(amount)) == text
