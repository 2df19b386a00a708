"""The rules by which facts become calls, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_collector.merge import fold
from spanledger_collector.model import Call, Fact

MS = 1_000_000


def llm(span_id: str, **values: Any) -> Fact:
    """A call of the model, 100 ms long."""
    defaults: dict[str, Any] = {
        "trace_id": "t1",
        "scope": "inner",
        "trust": 50,
        "kind": "llm",
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-4o",
        "started_at_ns": 1000 * MS,
        "ended_at_ns": 1100 * MS,
        "input_tokens": 100,
        "output_tokens": 10,
    }
    return Fact(**{**defaults, "span_id": span_id, **values})


def calls_of(*facts: Fact) -> list[Call]:
    """The calls that follow from the facts, in order of start."""
    return sorted(
        (row.call for row in fold(facts).values() if row.call),
        key=lambda call: (call.started_at_ns, call.span_id),
    )


def test_copies_with_one_response_id_are_one_call_across_traces() -> None:
    """Two instrumentors in two traces that saw the same answer bill it once, with the fields of both."""
    outer = llm("a", scope="outer", response_id="chatcmpl-A1b2C3d4", started_at_ns=990 * MS, session="s-1")
    inner = llm("b", trace_id="t2", trust=90, response_id="chatcmpl-A1b2C3d4", cache_read_tokens=40, ttft_ms=12.5)
    (call,) = calls_of(outer, inner)
    assert (call.input_tokens, call.cache_read_tokens, call.ttft_ms, call.session) == (100, 40, 12.5, "s-1")
    assert (call.trace_id, call.span_id) == ("t1", "a")


def test_sizes_of_the_input_are_of_the_copy_that_measured_most() -> None:
    """The parts are never of another copy than the whole, whichever copy is believed most and comes first."""
    trusted = llm("a", scope="outer", trust=90, response_id="chatcmpl-A1b2C3d4", tool_definitions=9)
    sizes = {"input_bytes": 4000, "repeated_input_bytes": 3000, "tool_definitions_bytes": 800}
    measured = llm("b", response_id="chatcmpl-A1b2C3d4", **sizes, tool_definitions_hash="c0ffee")
    for facts in ((trusted, measured), (measured, trusted)):
        (call,) = calls_of(*facts)
        assert {name: getattr(call, name) for name in sizes} == sizes
        assert (call.tool_definitions, call.tool_definitions_hash) == (None, "c0ffee")


def test_a_weak_response_id_is_no_identity() -> None:
    """Ollama's ids are drawn from a thousand: equal ones are different calls."""
    one = llm("a", response_id="chatcmpl-123")
    other = llm("b", response_id="chatcmpl-123", started_at_ns=9000 * MS, ended_at_ns=9100 * MS)
    assert len(calls_of(one, other)) == 2


def test_two_equal_calls_of_one_instrumentor_are_two_calls() -> None:
    """Without ids, same scope, same counts and same time are no evidence of a copy."""
    assert len(calls_of(llm("a"), llm("b"))) == 2


def test_a_copy_without_id_joins_the_call_it_encloses() -> None:
    """A framework's span without a response id is matched by process, model, counts and enclosed time."""
    outer = llm("a", scope="framework", trace_id="t2", started_at_ns=950 * MS, ended_at_ns=1150 * MS, agent="coder")
    inner = llm("b", response_id="chatcmpl-A1b2C3d4", response_model="gpt-4o-2024-08-06")
    (call,) = calls_of(outer, inner)
    assert (call.response_id, call.agent, call.duration_ms) == ("chatcmpl-A1b2C3d4", "coder", 200.0)


@pytest.mark.parametrize(
    "different",
    [
        {"instance": "another process"},
        {"request_model": "gpt-4.1"},
        {"output_tokens": 11},
        {"started_at_ns": 2000 * MS, "ended_at_ns": 2200 * MS},
        {"kind": "embedding"},
    ],
)
def test_what_does_not_fit_stays_a_call_of_its_own(different: dict[str, Any]) -> None:
    """Another process, model, count, time or kind: two calls."""
    enclosing = {"scope": "framework", "started_at_ns": 950 * MS, "ended_at_ns": 1150 * MS}
    outer = llm("a", **{**enclosing, **different})
    assert len(calls_of(outer, llm("b"))) == 2


def test_concurrent_equal_calls_pair_one_to_one() -> None:
    """Two concurrent equal calls seen by two instrumentors without ids are two calls, each with its own copy."""
    facts = [
        llm("a1", scope="outer", started_at_ns=990 * MS, ended_at_ns=1110 * MS),
        llm("a2", scope="outer", started_at_ns=994 * MS, ended_at_ns=1114 * MS),
        llm("b1", trace_id="t2", started_at_ns=991 * MS, ended_at_ns=1109 * MS, ttft_ms=1.0),
        llm("b2", trace_id="t3", started_at_ns=995 * MS, ended_at_ns=1113 * MS, ttft_ms=2.0),
    ]
    assert [(call.span_id, call.ttft_ms) for call in calls_of(*facts)] == [("a1", 1.0), ("a2", 2.0)]


def test_a_call_above_calls_of_another_instrumentor_only_wraps_them() -> None:
    """A span that claims to be a call, but has different calls of another scope below it, is not billed."""
    wrapper = llm("a", scope="framework", input_tokens=300, started_at_ns=900 * MS, ended_at_ns=2000 * MS)
    below = [llm("b", parent_span_id="a"), llm("c", parent_span_id="a", input_tokens=200)]
    assert [call.span_id for call in calls_of(wrapper, *below)] == ["b", "c"]


def test_agents_and_contexts_are_never_billed() -> None:
    """Wrapper spans repeat the usage of their calls; only the calls are rows."""
    agent = llm("a", kind="agent", input_tokens=100)
    assert [call.span_id for call in calls_of(agent, llm("b", parent_span_id="a"))] == ["b"]


def test_a_zero_gives_way_to_a_count_another_copy_has() -> None:
    """Instrumentors that do not know a kind of token write zero; the copy that knows it counts, whatever its trust."""
    trusted = llm("a", trust=90, response_id="msg_A1b2C3d4", cache_write_tokens=0, output_tokens=10)
    other = llm("b", scope="outer", trust=50, response_id="msg_A1b2C3d4", cache_write_tokens=30, output_tokens=11)
    (call,) = calls_of(trusted, other)
    assert (call.cache_write_tokens, call.output_tokens) == (30, 10)


def test_an_estimate_gives_way_to_a_report() -> None:
    """Counts that a copy estimated are used only where no copy reported any, and are then marked."""
    estimate = llm(
        "a", scope="outer", trust=95, response_id="chatcmpl-A1b2C3d4", usage_estimated=True, output_tokens=47
    )
    report = llm("b", trust=10, response_id="chatcmpl-A1b2C3d4", output_tokens=190)
    (both,) = calls_of(estimate, report)
    (alone,) = calls_of(estimate)
    assert (both.output_tokens, both.usage_status) == (190, "reported")
    assert (alone.output_tokens, alone.usage_status) == (47, "estimated")


def test_identity_comes_from_the_nearest_ancestor_that_names_it() -> None:
    """Each of task, agent, team, user and session is the call's own, else its nearest ancestor's."""
    root = Fact("t1", "r", kind="context", team="platform", user="u-1", agent="root")
    agent = Fact("t1", "g", "r", kind="agent", agent="coder", task="T-1")
    plain = Fact("t1", "p", "g", kind="context")
    (call,) = calls_of(root, agent, plain, llm("a", parent_span_id="p", user="u-2"))
    assert (call.task, call.agent, call.team, call.user, call.session) == (
        "T-1",
        "coder",
        "platform",
        "u-2",
        "",
    )


def test_a_sibling_s_identity_is_not_inherited() -> None:
    """What a span says holds for the calls below it, not for those beside it."""
    sibling = Fact("t1", "s", "r", kind="agent", agent="other", task="T-2")
    (call,) = calls_of(sibling, llm("a", parent_span_id="r"))
    assert (call.task, call.agent) == ("", "")


def test_parents_that_form_a_loop_end_the_walk() -> None:
    """Broken data, spans that are each other's parents, does not hang the collector."""
    assert len(calls_of(llm("a", parent_span_id="b"), llm("b", parent_span_id="a", output_tokens=11))) == 2


def test_one_execution_seen_as_tool_and_by_mcp_client_and_server_is_one_row() -> None:
    """An execute_tool span with the MCP client and server spans below it is one tool execution."""
    times = {"started_at_ns": 1000 * MS, "ended_at_ns": 1100 * MS}
    tool = Fact("t1", "a", kind="tool", scope="framework", tool_name="search", tool_call_id="call_1", **times)
    client = Fact("t1", "b", "a", kind="tool", scope="mcp.client", tool_name="search", status="ok", **times)
    server = Fact("t1", "c", "b", kind="tool", scope="mcp.server", tool_name="search", **times)
    (call,) = calls_of(tool, client, server)
    assert (call.kind, call.tool_name, call.tool_call_id, call.span_id) == ("tool", "search", "call_1", "a")


def test_the_same_tool_twice_is_two_executions() -> None:
    """A loop on one tool with the same arguments is as many rows as runs."""
    tool = Fact("t1", "a", kind="tool", scope="x", tool_name="search", tool_arguments_hash="h", started_at_ns=1)
    assert len(calls_of(tool, tool._replace(span_id="b", started_at_ns=2))) == 2


def test_a_fact_that_joined_another_call_leaves_no_row_of_its_own() -> None:
    """The identity a copy had while it was alone is taken out of the ledger when its call is found."""
    alone = llm("a", scope="framework", started_at_ns=990 * MS)
    ((own_key, _),) = fold([alone]).items()
    rows = fold([alone, llm("b", response_id="chatcmpl-A1b2C3d4")])
    assert rows[own_key].call is None
    assert [row.call.response_id for row in rows.values() if row.call] == ["chatcmpl-A1b2C3d4"]
