"""The whole of ``spanledger query``, given a way to open something that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from spanledger_collector.query.library import Query, find, load
from spanledger_collector.query.ports import Asker
from spanledger_collector.query.render import check_form, render
from spanledger_collector.query.run import bind, split_assignments
from spanledger_collector.query.table import console_for


def run_query(
    opening: Callable[[], AbstractContextManager[Asker]],
    name: str | None,
    assignments: Iterable[str] = (),
    *,
    since: str | None = None,
    until: str | None = None,
    form: str = "table",
    sql: bool = False,
    stream: TextIO,
) -> None:
    """Answer the question ``name`` on ``stream``; without a name list all; with ``sql`` print the statement.

    ``assignments`` are ``key=value``, as ``--param`` takes them. ``opening`` is called only when there is
    something to ask: names, parameters and the form are checked before.

    Raises:
        UnknownQueryError, BadParameterError: with the way out in the message.
        StoreUnavailableError: the store or the collector did not answer.
    """
    if name is None:
        list_queries(stream)
        return
    query = find(name)
    times = {"since": since, "until": until}
    texts = split_assignments(assignments) | {key: text for key, text in times.items() if text is not None}
    values = bind(query, texts)
    check_form(form)
    if sql:
        stream.write(statement(query, values))
        return
    with opening() as asker:
        result = asker.ask(name, texts)
    render(query, result, form, stream)


def list_queries(stream: TextIO) -> None:
    """Write every question's name and purpose, a line each."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    for query in load().values():
        grid.add_row(Text(query.name), Text(query.purpose))
    console_for(stream).print(grid)


def statement(query: Query, values: Mapping[str, Any]) -> str:
    """The statement with its parameters, as ``clickhouse-client`` takes them."""
    settings = "".join(f"SET param_{name} = {_literal(value)};\n" for name, value in values.items())
    return f"{settings}{query.sql};\n"


def _literal(value: Any) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
