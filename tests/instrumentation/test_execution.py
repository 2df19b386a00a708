"""One execution is one span: layers above each other, spans of others, and what is not to be traced."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import context, trace

import spanledger
from spanledger.execution import Execution, ToolCall


def test_a_layer_within_adds_what_it_knows(spans):
    """A runtime's tool that runs a function which is a tool itself is one execution; the inner layer knows the id."""

    @spanledger.tool
    def search(query: str, tool_call_id: str) -> str:
        return query

    with Execution("some runtime", ToolCall("search", {"query": "x"})):
        assert search("x", tool_call_id="call_1") == "x"
    (span,) = spans.snapshot()
    assert span["attributes"]["gen_ai.tool.call.id"] == "call_1"


def test_a_tool_that_calls_itself_is_two_executions(spans):
    """The same layer again, or another tool in between, is another execution."""

    @spanledger.tool
    def count(down: int) -> int:
        return count(down - 1) if down else 0

    with Execution("some runtime", ToolCall("count", {"down": 1})):
        count(1)
    with Execution("some runtime", ToolCall("count", {"down": 0})), spanledger.agent("helper"):
        count(0)
    parents = {span["span"]: (span["name"], span["parent"]) for span in spans.snapshot()}
    assert parents == {
        1: ("execute_tool count", None),
        2: ("execute_tool count", 1),
        3: ("execute_tool count", None),
        4: ("invoke_agent helper", 3),
        5: ("execute_tool count", 4),
    }


def run_within_theirs(spans: Any, tool_name: str) -> list[dict[str, Any]]:
    """Run our tool below a tool span of another instrumentor."""

    @spanledger.tool
    def search(query: str) -> str:
        assert trace.get_current_span().is_recording()
        return query

    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool_name, "gen_ai.tool.call.id": "theirs"}
    with spans.provider.get_tracer("theirs").start_as_current_span("running tool", attributes=said):
        search("x")
    return spans.snapshot()


def test_the_span_of_another_instrumentor_is_enriched(spans):
    """Where the current span says in the conventions' words that it runs this tool, it gets the hash."""
    (span,) = run_within_theirs(spans, "search")
    assert span["name"] == "running tool"
    assert span["attributes"]["gen_ai.tool.call.id"] == "theirs"
    assert len(span["attributes"]["spanledger.tool.arguments.hash"]) == 16


def test_another_tools_span_is_left_alone(spans):
    """A tool within another tool is an execution of its own."""
    assert [span["name"] for span in run_within_theirs(spans, "plan")] == ["execute_tool search", "running tool"]


def test_suppressed_instrumentation_is_obeyed(spans):
    """Code that asks OpenTelemetry for silence gets no tool spans."""

    @spanledger.tool
    def search(query: str) -> str:
        return query

    token = context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        assert search("x") == "x"
    finally:
        context.detach(token)
    assert spans.snapshot() == []


class WaitingForApprovalError(Exception):
    """What a runtime raises to stop and go on later."""


@pytest.mark.parametrize(("pauses", "status"), [(True, "UNSET"), (False, "ERROR")])
def test_a_tool_that_waits_has_not_failed(pauses, status, spans):
    """An exception by which a runtime waits for somebody passes, and the span is no failure."""
    with (
        pytest.raises(WaitingForApprovalError),
        Execution("some runtime", ToolCall("pay", {}), lambda _error: pauses),
    ):
        raise WaitingForApprovalError
    assert [span["status"] for span in spans.snapshot()] == [status]
