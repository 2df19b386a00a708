"""The contract of the tool runtimes: each passes the same tests, with a real runtime and no model."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import spanledger
from spanledger.tools.watching import RUNTIMES, TOOLS

ADD_HASH = "43258cff783fe703"
"""Of ``{"a":1,"b":2}``, whichever runtime passes it on."""


def tools_of(spans):
    """Give the tool spans."""
    return [span for span in spans.snapshot() if span["attributes"]["gen_ai.operation.name"] == "execute_tool"]


async def test_an_execution_is_one_span(driver, add, spans):
    """One execution is one span, as of `@spanledger.tool`: name, type, hash, the call id where known; no content."""
    assert await driver.run(add, {"a": 1, "b": 2}, "call_1") == "3"
    (tool,) = tools_of(spans)
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "extension" if driver.name == "mcp" else "function",
        "spanledger.tool.arguments.hash": ADD_HASH,
    }
    if driver.knows_call_id:
        attributes["gen_ai.tool.call.id"] = "call_1"
    assert (tool["name"], tool["kind"], tool["status"]) == ("execute_tool add", "INTERNAL", "UNSET")
    assert tool["attributes"] == attributes


async def test_arguments_are_recorded_when_content_is_captured(driver, add, spans, monkeypatch):
    """With the standard variable set the arguments are there, as canonical JSON."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    await driver.run(add, {"b": 2, "a": 1}, "call_1")
    (tool,) = tools_of(spans)
    assert tool["attributes"]["gen_ai.tool.call.arguments"] == '{"a":1,"b":2}'


async def test_a_failure_is_marked_and_passes(driver, spans):
    """An exception takes the way it takes without us, and the span says that the tool failed, not why."""
    error = LookupError("the secret")

    def fail(a: int) -> int:
        """Fail.

        Args:
            a: a number
        """
        raise error

    if driver.raises:
        with pytest.raises(LookupError) as caught:
            await driver.run(fail, {"a": 1}, "call_1")
        assert caught.value is error
    else:
        await driver.run(fail, {"a": 1}, "call_1")
    (tool,) = tools_of(spans)
    said = "LookupError" if driver.raises else "tool_error"
    assert (tool["status"], tool["attributes"]["error.type"]) == ("ERROR", said)
    assert "secret" not in "".join(span.to_json() for span in spans.finished())


async def test_a_cancelled_execution_ends_its_span(driver, spans):
    """Cancelled while its tool runs, an execution is one failed span, and the cancellation is the caller's."""
    if not driver.takes_async:
        pytest.skip("a sync tool cannot be cancelled")
    begun = asyncio.Event()

    async def wait(a: int) -> int:
        """Wait.

        Args:
            a: a number
        """
        begun.set()
        await asyncio.Event().wait()
        return a

    running = asyncio.create_task(driver.run(wait, {"a": 1}, "call_1"))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (tool,) = tools_of(spans)
    assert (tool["status"], tool["attributes"]["error.type"]) == ("ERROR", "asyncio.exceptions.CancelledError")


async def test_what_a_tool_calls_is_below_it(driver, spans):
    """Spans that begin inside the tool are its children."""
    if not driver.shares_context:
        pytest.skip("the tool runs in another process, or as if it did")

    def work(a: int) -> int:
        """Work.

        Args:
            a: a number
        """
        with spanledger.agent("helper"):
            return a

    await driver.run(work, {"a": 1}, "call_1")
    (tool,) = tools_of(spans)
    (helper,) = [span for span in spans.snapshot() if span["name"] == "invoke_agent helper"]
    assert (helper["parent"], helper["trace"]) == (tool["span"], tool["trace"])


async def test_a_decorated_function_in_a_runtime_is_one_execution(driver, add, spans):
    """A function that is a `@spanledger.tool` already has one span, with the call id that the runtime knows."""
    if not driver.shares_context:
        pytest.skip("what another process does has spans of its own")
    await driver.run(spanledger.tool(add), {"a": 1, "b": 2}, "call_1")
    (tool,) = tools_of(spans)
    assert tool["attributes"].get("gen_ai.tool.call.id") == ("call_1" if driver.knows_call_id else None)


async def test_an_execution_is_for_its_task(driver, add, spans):
    """Tool spans say whom they are for, and lie below the scope they run in."""
    with spanledger.task("T-1", agent="coder") as scope:
        await driver.run(add, {"a": 1, "b": 2}, "call_1")
    (tool,) = tools_of(spans)
    assert tool["attributes"]["spanledger.task"] == "T-1"
    assert tool["attributes"]["spanledger.agent"] == "coder"
    assert tool["trace"] == scope.get_span_context().trace_id


async def test_an_uninstrumented_runtime_makes_no_spans(driver, add, spans):
    """While nobody watches, the result is the same and there is no span."""
    TOOLS.stop()
    try:
        assert await driver.run(add, {"a": 1, "b": 2}, "call_1") == "3"
    finally:
        TOOLS.start()
    assert tools_of(spans) == []


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_runtimes_are_given_back_whole(runtime):
    """Each target is wrapped while we watch, and is the very same function before and after."""
    modules = {name: pytest.importorskip(name) for name in runtime.targets}

    def functions():
        found = {}
        for name, targets in runtime.targets.items():
            for target in targets:
                *class_name, attribute = target.split(".")
                parent = getattr(modules[name], class_name[0]) if class_name else modules[name]
                if attribute in vars(parent):
                    found[name, target] = vars(parent)[attribute]
        return found

    before = functions()
    assert {name for name, _ in before} == set(runtime.targets)
    TOOLS.start()
    watched = functions()
    TOOLS.stop()
    assert functions() == before
    for target, function in before.items():
        assert watched[target] is not function
        assert watched[target].__wrapped__ is function
        assert inspect.iscoroutinefunction(watched[target]) == inspect.iscoroutinefunction(function)
