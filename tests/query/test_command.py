"""The whole of the query command, on an answer held in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from spanledger_collector.errors import BadParameterError, UnknownQueryError
from spanledger_collector.query.command import run_query
from spanledger_collector.query.library import load
from spanledger_collector.query.ports import Answer, Asker

UNPRICED = Answer(
    tuple(column.name for column in load()["unpriced"].columns),
    [("house", "house-model", "", "chat", "unknown_model", 2, 70, 0, 0, "2026-03-01T10:00:00Z", "")],
)


class Recorder:
    """Answers every question alike, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.opened = 0

    @contextmanager
    def opening(self) -> Iterator[Asker]:
        """Stands for opening a store or finding a collector."""
        self.opened += 1
        yield self

    def ask(self, name: str, texts: Mapping[str, str]) -> Answer:
        """See ``Asker``."""
        self.asked.append((name, dict(texts)))
        return UNPRICED


def test_an_answer() -> None:
    """What was written reaches what answers; the answer is printed in the form asked for."""
    recorder, stream = Recorder(), io.StringIO()
    run_query(recorder.opening, "unpriced", ["team=core"], since="7d", form="jsonl", stream=stream)
    assert recorder.asked == [("unpriced", {"team": "core", "since": "7d"})]
    assert json.loads(stream.getvalue())["request_model"] == "house-model"


def test_the_list() -> None:
    """Without a name every question is listed with its purpose, and nothing is opened."""
    recorder, stream = Recorder(), io.StringIO()
    run_query(recorder.opening, None, stream=stream)
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == list(load())
    assert all(query.purpose in line for query, line in zip(load().values(), lines, strict=True))
    assert recorder.opened == 0


def test_the_statement() -> None:
    """``sql`` prints the file's statement with its parameters set, quotes escaped, and nothing is opened."""
    recorder, stream = Recorder(), io.StringIO()
    run_query(recorder.opening, "unpriced", ["team=o'neil"], since="2026-03-01", sql=True, stream=stream)
    text = stream.getvalue()
    assert "SET param_since = '2026-03-01 00:00:00.000000000';\n" in text
    assert "SET param_team = 'o\\'neil';\n" in text
    assert text.endswith(load()["unpriced"].sql + ";\n")
    assert recorder.opened == 0


@pytest.mark.parametrize(
    ("name", "assignments", "form", "error"),
    [
        ("unprised", [], "table", UnknownQueryError),
        ("unpriced", ["colour=red"], "table", BadParameterError),
        ("unpriced", [], "xml", BadParameterError),
    ],
)
def test_mistakes_open_nothing(name: str, assignments: list[str], form: str, error: type[Exception]) -> None:
    """A mistake is told before a store is opened for it."""
    recorder = Recorder()
    with pytest.raises(error):
        run_query(recorder.opening, name, assignments, form=form, stream=io.StringIO())
    assert recorder.opened == 0
