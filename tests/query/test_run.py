"""Parameters as written become values of their types, or an error that names them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spanledger_collector.errors import BadParameterError
from spanledger_collector.query.library import find
from spanledger_collector.query.run import bind, split_assignments

NOW = datetime(2026, 3, 10, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("7d", "2026-03-03 12:00:00.250000000"),
        ("12h", "2026-03-10 00:00:00.250000000"),
        ("30m", "2026-03-10 11:30:00.250000000"),
        ("2w", "2026-02-24 12:00:00.250000000"),
        ("2026-03-01", "2026-03-01 00:00:00.000000000"),
        ("2026-03-01T10:20", "2026-03-01 10:20:00.000000000"),
        ("2026-03-01 10:20:30.123456789", "2026-03-01 10:20:30.123456789"),
        ("2026-03-01T10:20:30.5+02:00", "2026-03-01 08:20:30.500000000"),
        ("2026-03-01T10:20:30,000000001Z", "2026-03-01 10:20:30.000000001"),
    ],
)
def test_since(text: str, bound: str) -> None:
    """An age counts back from now; ISO 8601 keeps its nanoseconds and is UTC where it names no zone."""
    assert bind(find("calls"), {"since": text}, NOW)["since"] == bound


NO_TIMES = ["soon", "7y", "-7d", "", "2026-13-01", "1969-12-31", "2300-01-01", "99999w"]


@pytest.mark.parametrize("text", NO_TIMES)
def test_no_time(text: str) -> None:
    """What is no time is refused with the parameter, its type, its default and how to write one."""
    message = r"'since' does not take .* \(type DateTime64\(9, 'UTC'\), default '1970"
    with pytest.raises(BadParameterError, match=message):
        bind(find("calls"), {"since": text}, NOW)


def test_defaults_ask_for_everything() -> None:
    """Without parameters a question is asked of the whole ledger."""
    assert bind(find("calls"), {}, NOW) == {
        "since": "1970-01-01 00:00:00.000000000",
        "until": "2262-01-01 00:00:00.000000000",
        "team": "",
        "agent": "",
        "user": "",
        "task": "",
        "model": "",
        "limit": 0,
    }


@pytest.mark.parametrize("text", ["ten", "-1", "1.5", "", "٣", "18446744073709551616"])
def test_no_whole_number(text: str) -> None:
    """What is no UInt64 is refused with the parameter, its type and its default."""
    message = r"'limit' does not take .*whole number \(type UInt64, default '0'\)"
    with pytest.raises(BadParameterError, match=message):
        bind(find("calls"), {"limit": text}, NOW)


def test_the_largest_whole_number() -> None:
    """A UInt64 is taken to its end."""
    assert bind(find("calls"), {"limit": "18446744073709551615"}, NOW)["limit"] == 2**64 - 1


def test_one_of_several() -> None:
    """A choice is one of those in the type; what else is written gets the list, before any statement runs."""
    assert bind(find("spend"), {"by": "agent"}, NOW)["then"] == ""
    with pytest.raises(BadParameterError, match="'by' does not take 'colour': it is one of team, agent, user, model,"):
        bind(find("spend"), {"by": "colour"}, NOW)


def test_an_unknown_parameter_gets_a_suggestion() -> None:
    """A mistyped parameter is answered with the one that was meant."""
    with pytest.raises(BadParameterError, match=r"takes no parameter 'agnet'; did you mean 'agent'\?"):
        bind(find("calls"), {"agnet": "coder"}, NOW)


def test_a_period_that_ends_before_it_starts() -> None:
    """Such a period is refused: its empty answer would look like an empty ledger."""
    with pytest.raises(BadParameterError, match=r"since \(2026-03-10 .* is not before until \(2026-03-09"):
        bind(find("calls"), {"since": "1h", "until": "1d"}, NOW)


def test_assignments() -> None:
    """``key=value`` keeps what follows the first equals sign; the value may be empty."""
    assert split_assignments(["team=a=b", "agent="]) == {"team": "a=b", "agent": ""}


@pytest.mark.parametrize("assignment", ["team", "=core", ""])
def test_no_assignment(assignment: str) -> None:
    """What is no ``key=value`` is refused with an example."""
    with pytest.raises(BadParameterError, match=f"as in team=platform; got {assignment!r}"):
        split_assignments([assignment])
