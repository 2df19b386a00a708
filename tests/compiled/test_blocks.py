"""Both twins make the same keys and the same blocks of facts and calls, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_collector.export.records import CALLS, FACTS
from spanledger_collector.merge import keys as keys_module
from spanledger_collector.model import Call, Fact

Pure = Callable[[], AbstractContextManager[None]]
FEW = settings(max_examples=300, deadline=None)


TEXT = st.one_of(st.sampled_from(["", "a", "gpt-4o", "openai/GPT-4o-2024-08-06", "é" * 70]), st.text(max_size=300))
WHOLE = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32, 2**45, 2**63]))
TIME = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 1_795_000_000_000_000_000]))
REAL = st.floats(allow_nan=False)
MONEY = st.decimals(0, 900_000, places=12)


def value_of(name: str, record: type[Fact | Call]) -> st.SearchStrategy[Any]:
    """Values of a field as far as its column takes them."""
    kind = str(get_type_hints(record)[name])
    if name.endswith("_ns"):
        return TIME
    if "Decimal" in kind:
        return st.one_of(st.none(), MONEY)
    if "float" in kind:
        return st.one_of(st.none(), REAL) if "None" in kind else REAL
    if "int" in kind:
        return st.one_of(st.none(), WHOLE) if "None" in kind else WHOLE
    return st.booleans() if "bool" in kind else TEXT


def any_record(record: type[Any]) -> st.SearchStrategy[Any]:
    """Records with anything in a few of their fields."""
    least = record._make([""] * len(record._fields)) if record is Call else Fact("t", "s")
    if record is Call:
        empty = {name: column.empty for name, column in zip(record._fields, CALLS.columns.values(), strict=False)}
        least = record(**empty)
    options = {name: value_of(name, record) for name in record._fields}
    some = st.sets(st.sampled_from(record._fields), max_size=12).flatmap(
        lambda names: st.fixed_dictionaries({name: options[name] for name in sorted(names)})
    )
    return some.map(lambda values: least._replace(**values))


@FEW
@given(any_record(Fact), st.sampled_from(["llm", "embedding", "tool", "agent"]))
def test_keys_are_the_same_bits(anything: Fact, kind: Any) -> None:
    """Match keys, variants and call ids are stored: another bit would be another call."""
    fact = anything._replace(kind=kind)
    for name, function in keys_module.PURE.items():
        if name != "response_key":
            assert getattr(keys_module, name)(fact) == function(fact)
    assert keys_module.response_key(fact.response_id) == keys_module.PURE["response_key"](fact.response_id)


def test_keys_are_the_same_bits_whatever_the_length_of_what_is_hashed() -> None:
    """A digest works on blocks of 128 bytes, and on what is left."""
    for length in range(400):
        fact = Fact("t" * length, "s", service="x" * length, kind="llm")
        for name in ("own_call_id", "match_key", "variant"):
            assert getattr(keys_module, name)(fact) == keys_module.PURE[name](fact)


@FEW
@given(st.lists(st.tuples(any_record(Fact), WHOLE, WHOLE), min_size=1, max_size=300))
def test_both_twins_write_the_same_block_of_facts(pure: Pure, rows: list[tuple[Fact, int, int]]) -> None:
    """Byte for byte, and the same columns left to the store."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = FACTS.block(columns[0], columns[1], columns[2])
    with pure():
        assert found == FACTS.block(columns[0], columns[1], columns[2])


@FEW
@given(st.lists(any_record(Call), min_size=1, max_size=20))
def test_both_twins_write_the_same_block_of_calls(pure: Pure, calls: list[Call]) -> None:
    """The same of calls, whose durations are no integers and whose costs are money."""
    more = ([1] * len(calls), [0] * len(calls))
    found = CALLS.block(calls, *more)
    with pure():
        assert found == CALLS.block(calls, *more)


@pytest.mark.parametrize("wrong", [{"trust": -1}, {"trust": 2**64}, {"input_tokens": "5"}, {"service": "\ud800"}])
def test_both_twins_refuse_what_a_column_cannot_hold(pure: Pure, wrong: dict[str, Any]) -> None:
    """By the same kind of error, so that it is told the same."""
    facts_to_write = [Fact("t", "s")._replace(**wrong)]
    with pytest.raises((OverflowError, TypeError, ValueError)) as found:
        FACTS.block(facts_to_write, [0], [0])
    with pure(), pytest.raises(found.type):
        FACTS.block(facts_to_write, [0], [0])
