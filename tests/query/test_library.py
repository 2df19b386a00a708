"""The question files: header and body agree, and all of them mean the same by the same name."""

from __future__ import annotations

import re

import pytest

from spanledger_collector.errors import UnknownQueryError
from spanledger_collector.model import CALL_FIELDS
from spanledger_collector.query.library import Query, find, load, parse

CONTRACT = re.findall(
    r"\w+",
    """
call_id kind trace_id span_id started_at duration_ms ttft_ms status error_type service dialect
provider operation request_model response_model response_id stream
input_tokens cache_read_tokens cache_write_tokens cache_write_1h_tokens output_tokens reasoning_tokens
usage_status cost_usd reported_cost_usd price_status price_card_id
tool_name tool_call_id tool_arguments_hash task agent team user session
""",
)
PLACEHOLDER = re.compile(r"\{(\w+):([^}]+)\}")
FILTER = re.compile(r"\(\{team:String\} = ''.*?response_model = \{model:String\}\)")
AGGREGATE = re.compile(r"\b(?:count|sum|min|max|avg|quantile|uniq|group)\w*\([^\n]* AS (\w+)")

each_query = pytest.mark.parametrize("query", load().values(), ids=lambda query: query.name)


@each_query
def test_header_names_the_parameters_of_the_body(query: Query) -> None:
    """Every placeholder is in the header with its type, and the header has no other."""
    declared = {(parameter.name, parameter.type) for parameter in query.parameters}
    assert set(PLACEHOLDER.findall(query.sql)) == declared


@each_query
def test_header_hints_name_columns(query: Query) -> None:
    """The chart and the table form use columns that the question has."""
    columns = {column.name for column in query.columns}
    assert {query.chart.value, query.chart.category} - {""} <= columns
    assert set(query.table) <= columns
    assert query.chart.kind in {"table", "figure", "bar", "stack"}


@each_query
def test_the_ledger_is_read_with_final(query: Query) -> None:
    """No question reads replaced rows."""
    assert set(re.findall(r"\bFROM calls\b.*", query.sql)) <= {"FROM calls AS c FINAL"}


@each_query
def test_no_aggregate_takes_the_name_of_a_column(query: Query) -> None:
    """An aggregate under the name of a source column would be taken for it by the engine's analyzer."""
    assert set(AGGREGATE.findall(query.sql)).isdisjoint(CALL_FIELDS)


@each_query
def test_costs_stand_beside_what_they_leave_out(query: Query) -> None:
    """Wherever a total of dollars is shown, unpriced calls and tokens are shown too."""
    columns = {column.name for column in query.columns}
    if "total_cost_usd" in columns:
        assert {"unpriced_calls", "unpriced_tokens"} <= columns
        assert {"total_cost_usd", "unpriced_calls"} <= set(query.table)


def test_the_same_filter_everywhere() -> None:
    """All questions filter by the same lines, so that a filter means the same in each."""
    filtering = [query for query in load().values() if {"since", "model"} <= {p.name for p in query.parameters}]
    blocks = [FILTER.findall(" ".join(query.sql.split())) for query in filtering]
    assert all(blocks)
    assert len({re.sub(r"\b[cgrw]\.", "", text) for found in blocks for text in found}) == 1


def test_the_same_parameter_everywhere() -> None:
    """A parameter has one type, one default and one meaning, whichever question takes it."""
    parameters = {parameter for query in load().values() for parameter in query.parameters}
    assert len(parameters) == len({parameter.name for parameter in parameters})
    assert "format" not in {parameter.name for parameter in parameters}


def test_calls_has_the_keys_of_the_contract() -> None:
    """The ledger row has exactly the keys that others rely on, in their order."""
    assert [column.name for column in find("calls").columns] == CONTRACT


def test_a_near_miss_gets_a_suggestion() -> None:
    """A mistyped name is answered with the name that was meant."""
    with pytest.raises(UnknownQueryError, match=r"'cost_per_tsk'; did you mean 'cost_per_task'\?"):
        find("cost_per_tsk")


def test_a_name_near_to_none_gets_the_list() -> None:
    """A name like no other is answered with all names."""
    with pytest.raises(UnknownQueryError, match="there are: cache_hits, call_distribution, call_usage, calls"):
        find("zzz")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- title: x\nSELECT 1", "has no 'chart'"),
        ("-- title: x\n--nothing\nSELECT 1", "no header line: --nothing"),
        ("-- chart: ?\nSELECT 1", "no chart hint"),
    ],
)
def test_a_broken_header_names_its_file(text: str, complaint: str) -> None:
    """A header that lacks something says which file, and what."""
    with pytest.raises(ValueError, match=f"broken.sql: .*{re.escape(complaint)}"):
        parse("broken", text)
