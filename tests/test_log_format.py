"""The log as JSON: one object a line, whatever a message holds."""

import json
import logging
import sys

from spanledger_collector.logs import JsonLines


def test_a_record_is_one_line_of_json() -> None:
    """Line breaks and exceptions stay within the line; time and severity are as log pipelines expect them."""
    try:
        raise ValueError("broken\nhere")
    except ValueError:
        record = logging.LogRecord("a.b", logging.WARNING, "file", 1, "two\nlines of %s", ("ü",), sys.exc_info())
    record.created = 1_767_225_600.5
    (line,) = JsonLines().format(record).splitlines()
    told = json.loads(line)
    assert told.pop("exception").endswith("ValueError: broken\nhere")
    assert told == {
        "time": "2026-01-01T00:00:00.500+00:00",
        "severity": "WARNING",
        "logger": "a.b",
        "message": "two\nlines of ü",
    }
