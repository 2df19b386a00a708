"""Attribute values as they really arrive, hostile ones included."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_collector.normalise.values import MAX_REPR_CHARACTERS, json_object, mapping, number, text, unquoted

HOSTILE = {
    "JSON nested too deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "repr nested too deep": "{'a':" * 3000 + "1" + "}" * 3000,
    "operators without end": "{'a': " + "-" * 10_000 + "1}",
    "sums without end": "{'a': " + "1+" * 8000 + "1}",
    "brackets that never close": "{" + "[" * 9000,
    "a number of many digits": "{'a': " + "9" * 15_000 + "}",
    "keys that cannot be keys": "{[]: 1}",
    "a call": "{__import__('os').getcwd(): 1}",
    "a null byte": "{'a': \0}",
    "half of a surrogate pair": "{'a': \ud800}",
    "an escape": "{'a': '\\d'}",
    "a set": "{1, 2}",
    "a long repr": "{" + "'a': 1, " * MAX_REPR_CHARACTERS + "}",
    "a long JSON": '{"a": [' + "[]," * 400_000 + "[]]}",
    "prose": "{as you wish}",
}


@pytest.mark.parametrize("garbage", HOSTILE.values(), ids=HOSTILE)
def test_garbage_is_an_empty_map(garbage: str) -> None:
    """What is neither a JSON object nor the repr of a dict within bounds says nothing, and raises nothing."""
    assert mapping(garbage) == {}


@pytest.mark.parametrize("value", [None, 7, b"{}", ["{}"], "[1]", "", "null"])
def test_only_an_object_is_one(value: Any) -> None:
    """Other types and other JSON values are no map."""
    assert json_object(value) == {}
    assert mapping(value) == {}


def test_maps_come_from_otlp_json_and_repr() -> None:
    """One map in its three forms."""
    expected = {"a": 1, "b": None}
    assert mapping(expected) == expected
    assert mapping('{"a": 1, "b": null}') == expected
    assert mapping("{'a': 1, 'b': None}") == expected


def test_names_lose_their_json_quotes() -> None:
    """MLflow and Langfuse quote names; a name that only begins with a quote is kept."""
    assert unquoted('"gpt-4o"') == "gpt-4o"
    assert unquoted("gpt-4o") == "gpt-4o"
    assert unquoted('"gpt') == '"gpt'


def test_half_a_surrogate_pair_does_not_reach_the_store() -> None:
    """JSON can escape what UTF-8 cannot write; the rest of the name is kept."""
    assert text("modèle\ud800") == "modèle?"


def test_an_integer_beyond_floats_is_no_number() -> None:
    """JSON inside an attribute may hold integers of any size."""
    assert number(10**400) is None
