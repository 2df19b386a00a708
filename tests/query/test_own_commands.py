"""``spanledger explain``, ``whatif`` and ``sql`` on a store of their own."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spanledger_collector.cli.commands import spanledger
from spanledger_collector.collector import open_store
from spanledger_collector.config import Settings
from spanledger_collector.errors import BadParameterError, DataDirectoryHeldError, SpanledgerError
from spanledger_collector.export.data_directory import DataDirectory, Holder
from spanledger_collector.price import Catalogue
from spanledger_collector.price.tables import record

NOON_NS = 1_780_315_200 * 10**9
CALLS = [
    # task, call, input, cost; the model's price is 2.50 dollars a million tokens of input.
    ("T-1", "a", 1000, "0.0025"),
    ("T-2", "b", 1000, "0.0025"),
    ("T-3", "c", 3000, "0.0075"),
    ("T-3", "d", 1000, None),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with four calls of one agent; one of them has no known cost."""
    directory = tmp_path_factory.mktemp("data")
    catalogue = Catalogue.load()
    card = catalogue.holding("openai", "gpt-4o", "", NOON_NS)
    assert card is not None
    rows: list[dict[str, Any]] = [
        {
            "call_id": call, "kind": "llm", "started_at": NOON_NS + place, "status": "ok", "provider": "openai",
            "request_model": "gpt-4o", "input_tokens": tokens if cost else None, "output_tokens": 0 if cost else None,
            "usage_status": "reported", "cost_usd": cost and Decimal(cost), "price_card_id": card.card_id,
            "task": task, "agent": "coder\x1b[31m", "version": 1,
        }
        for place, (task, call, tokens, cost) in enumerate(CALLS)
    ]  # fmt: skip
    with open_store(Settings(data=directory)) as store:
        record(store, catalogue)
        store.insert("calls", tuple(rows[0]), list(zip(*(row.values() for row in rows), strict=True)))
    return directory


def run(data: Path, *arguments: str) -> str:
    """What the command prints; its errors are raised."""
    result = CliRunner().invoke(spanledger, [*arguments, "--data", str(data)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_explain_says_the_difference_and_its_parts(data: Path) -> None:
    """A sentence with both costs, then the parts; a name that holds an escape sequence cannot use it."""
    headline, *lines = run(data, "explain", "T-3").splitlines()
    assert headline == (
        "T-3 cost $0.0075; the median of the 3 priced tasks of coder�[31m (T-1) cost $0.0025: $0.0050 more."
    )
    (context,) = [line.split() for line in lines if line.startswith("larger context")]
    assert context[:5] == ["larger", "context", "3,000", "1,000", "+$0.0050"]
    assert not any(line.startswith("other") for line in lines)


def test_explain_for_machines(data: Path) -> None:
    """In JSON the parts are exact, and add up to the difference."""
    rows = json.loads(run(data, "explain", "T-3", "--format", "json"))
    assert sum(Decimal(row["difference_usd"]) for row in rows) == Decimal("0.005")


def test_the_median_task_itself(data: Path) -> None:
    """The task at the median is explained by nothing."""
    assert run(data, "explain", "T-2").splitlines()[0].endswith("it is the median of the 3 priced tasks of coder�[31m.")


def test_no_such_task(data: Path) -> None:
    """A task that nobody named gets the way to those there are."""
    with pytest.raises(BadParameterError, match="names the task 'T-9' in this time; `spanledger query top_tasks`"):
        run(data, "explain", "T-9")


def test_whatif(data: Path) -> None:
    """The same tokens at the other model's price, what is in neither sum, and what the estimate cannot know."""
    lines = run(data, "whatif", "--swap", "gpt-4o=openai/gpt-4o-mini").splitlines()
    assert lines[:3] == [
        "3 calls of gpt-4o cost $0.0125.",
        "The same tokens at gpt-4o-mini cost $0.00075: $0.0118 less (-94%).",
        "Left out of both sums, as their cost or usage is not known: 1.",
    ]
    assert lines[3].startswith("What this cannot know: whether gpt-4o-mini would have done the work;")


@pytest.mark.parametrize(
    ("swap", "complaint"),
    [
        ("gpt-4o", "--swap is written A=B"),
        ("=gpt-4o", "--swap is written A=B"),
        ("gpt-4o=no-such", "no price is known for 'no-such'"),
        ("o3=gpt-4o", "no call asked for 'o3'"),
    ],
)
def test_no_swap(data: Path, swap: str, complaint: str) -> None:
    """What cannot be estimated is said before any sum."""
    with pytest.raises(BadParameterError, match=complaint):
        run(data, "whatif", "--swap", swap)


def test_help_tells_of_every_command_in_one_whole_line() -> None:
    """Each command stands under a heading, with a purpose that is not cut."""
    lines = CliRunner().invoke(spanledger, ["--help"], terminal_width=100).output.splitlines()
    named = {line.split()[0] for line in lines if line.startswith("  ")}
    assert set(spanledger.commands) <= named
    assert {"Collect:", "Ask:", "Keep:"} <= set(lines)
    assert not [line for line in lines[1:] if "..." in line]


def test_status_is_plain_when_piped(data: Path) -> None:
    """Columns without rules, as every other table in a pipe."""
    head, *rows = run(data, "status").splitlines()
    assert head.split() == ["table", "rows", "bytes", "parts"]
    assert ["calls", f"{len(CALLS)}"] in [row.split()[:2] for row in rows]


@pytest.mark.parametrize("question", [("query", "waste"), ("explain", "T-1"), ("sql", "SELECT 1"), ("status",)])
def test_a_misspelt_directory_is_no_empty_ledger(tmp_path: Path, question: tuple[str, ...]) -> None:
    """Where there is no data directory there is no answer, and none is made."""
    with pytest.raises(BadParameterError, match=r"there is no ledger in .*misspelt; `spanledger serve`"):
        run(tmp_path / "misspelt", *question)
    assert not (tmp_path / "misspelt").exists()


def test_sql(data: Path) -> None:
    """A statement of one's own is answered in every form; times and lists become text."""
    statement = "SELECT task, sum(cost_usd) AS usd, [1, 2] AS list FROM calls FINAL GROUP BY task ORDER BY task"
    assert run(data, "sql", statement).splitlines()[1].split() == ["T-1", "0.002500000000", "[1,", "2]"]
    rows = [json.loads(line) for line in run(data, "sql", statement, "--format", "jsonl").splitlines()]
    assert rows[2] == {"task": "T-3", "usd": "0.0075", "list": "[1, 2]"}


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE calls",
        "/* SELECT */ TRUNCATE TABLE calls",
        "KILL QUERY WHERE 1",
        "SELECT 1 INTO OUTFILE 'there'",
        "WITH 1 AS x INSERT INTO calls (call_id) SELECT 'z'",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_sql_only_reads_the_store(data: Path, statement: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What writes, or reads beside the store, is refused, and the ledger is as it was."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpanledgerError):
        run(data, "sql", statement)
    assert json.loads(run(data, "sql", "SELECT count() AS n FROM calls", "--format", "json")) == [{"n": len(CALLS)}]
    assert not list(tmp_path.iterdir())


def test_sql_does_not_go_through_a_collector(data: Path) -> None:
    """Where a running collector holds the store the way out is named; its API takes no SQL."""
    holder = DataDirectory(data)
    holder.acquire()
    try:
        holder.announce(Holder.here("http://127.0.0.1:1", "http://127.0.0.1:2", ""))
        with pytest.raises(DataDirectoryHeldError, match="its API takes no SQL; stop it first"):
            run(data, "sql", "SELECT 1")
    finally:
        holder.release()
