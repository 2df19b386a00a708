"""The forms in which an answer is printed: a table to read; json, jsonl and csv to work on.

In the last three money is exact: a decimal string in json and jsonl, plain digits in csv. Unknown is null, or
an empty field in csv. Rounding belongs to the table form alone.
"""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from typing import Any, TextIO

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.library import Query
from spanledger_collector.query.ports import Result
from spanledger_collector.query.table import write_table

FORMATS = ("table", "json", "jsonl", "csv")


def render(query: Query, result: Result, form: str, stream: TextIO) -> None:
    """Write ``result`` to ``stream`` in one of ``FORMATS``.

    Raises:
        BadParameterError: there is no such form.
    """
    check_form(form)
    match form:
        case "table":
            write_table(query, result, stream)
        case "json":
            json.dump(records(result), stream, ensure_ascii=False, indent=1)
            stream.write("\n")
        case "jsonl":
            for record in records(result):
                stream.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
        case "csv":
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(result.columns)
            writer.writerows([_plain(value) for value in row] for row in result.rows)


def check_form(form: str) -> None:
    """Raise ``BadParameterError`` where ``form`` is none of ``FORMATS``."""
    if form not in FORMATS:
        raise BadParameterError(f"there is no format {form!r}; there are: {', '.join(FORMATS)}")


def records(result: Result) -> list[dict[str, Any]]:
    """The rows as mappings that JSON can hold, keys in the order of the columns."""
    return [dict(zip(result.columns, (_plain(value) for value in row), strict=True)) for row in result.rows]


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
