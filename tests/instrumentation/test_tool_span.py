"""`@spanledger.tool`: what a tool call's span says, and that the tool notices nothing."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

import spanledger

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def hashes(spans):
    """Give the arguments' hash of each span."""
    return [span["attributes"]["spanledger.tool.arguments.hash"] for span in spans.snapshot()]


def test_a_tool_call_is_a_span(spans):
    """The span of a tool call, whole: name, type, call id and a hash, but no arguments."""

    @spanledger.tool
    def weather(city: str, tool_call_id: str | None = None) -> str:
        return f"21C in {city}"

    assert weather("Paris", tool_call_id="call_1") == "21C in Paris"
    assert spans.snapshot() == [
        {
            "name": "execute_tool weather",
            "kind": "INTERNAL",
            "trace": 1,
            "span": 1,
            "parent": None,
            "start_s": 1.0,
            "end_s": 2.0,
            "status": "UNSET",
            "attributes": {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": "call_1",
                "spanledger.tool.arguments.hash": "6e1e312d537bc71b",
            },
        }
    ]


def test_equal_arguments_have_equal_hashes(spans):
    """By position, by name or by default, in any order, under any call id: the same call has the same hash."""

    @spanledger.tool(name="search", call_id="id")
    def find(query: str, options: dict[str, int], limit: int = 5, id: str | None = None) -> None:
        """Find nothing."""

    find("x", {"a": 1, "b": 2})
    find(options={"b": 2, "a": 1}, query="x", limit=5)
    find("x", {"a": 1, "b": 2}, id="call_9")
    assert len(set(hashes(spans))) == 1
    find("x", {"a": 1, "b": 2}, 6)
    find("y", {"a": 1, "b": 2})
    assert len(set(hashes(spans))) == 3
    assert spans.snapshot()[2]["attributes"]["gen_ai.tool.call.id"] == "call_9"
    assert {span["name"] for span in spans.snapshot()} == {"execute_tool search"}


def test_objects_hash_by_what_they_are_and_not_by_where(spans):
    """Sets, dataclasses and plain objects give the same hash each time; the tool's own object does not count."""

    @dataclasses.dataclass
    class Point:
        x: int

    class Toolbox:
        @spanledger.tool
        def use(self, *things: object) -> int:
            return len(things)

    for _ in range(2):
        assert Toolbox().use({"b", "a"}, Point(1), object(), b"raw", (1, 2)) == 5
    assert len(set(hashes(spans))) == 1


def test_arguments_are_recorded_only_when_content_is_captured(spans, monkeypatch):
    """With the standard variable set the arguments are there, as canonical JSON."""

    @spanledger.tool
    def search(query: str, limit: int = 5) -> None:
        """Search nothing."""

    search("secret")
    monkeypatch.setenv(CAPTURE, "true")
    search("secret")
    quiet, loud = (span["attributes"] for span in spans.snapshot())
    assert "secret" not in str(quiet)
    assert loud["gen_ai.tool.call.arguments"] == '{"limit":5,"query":"secret"}'


async def test_every_kind_of_function_works(spans):
    """Coroutines, generators and async generators stay what they are and give what they gave."""

    @spanledger.tool
    async def ask(question: str) -> str:
        """Ask."""
        return question.upper()

    @spanledger.tool
    def read(lines: int):
        sent = yield 1
        yield sent
        return lines

    @spanledger.tool
    async def listen():
        yield "a"
        yield "b"

    assert inspect.iscoroutinefunction(ask)
    assert (ask.__name__, ask.__doc__, await ask("x")) == ("ask", "Ask.", "X")

    assert inspect.isgeneratorfunction(read)
    reading = read(7)
    assert (next(reading), reading.send("two")) == (1, "two")
    with pytest.raises(StopIteration) as stopped:
        next(reading)
    assert stopped.value.value == 7

    assert inspect.isasyncgenfunction(listen)
    assert [item async for item in listen()] == ["a", "b"]
    assert [(span["name"], span["status"]) for span in spans.snapshot()] == [
        ("execute_tool ask", "UNSET"),
        ("execute_tool read", "UNSET"),
        ("execute_tool listen", "UNSET"),
    ]


def test_a_generator_that_is_left_early_is_no_failure(spans):
    """Closing a generator tool before its end ends its span without an error."""

    @spanledger.tool
    def count():
        yield from range(10)

    counting = count()
    next(counting)
    counting.close()
    assert [span["status"] for span in spans.snapshot()] == ["UNSET"]


async def test_an_exception_passes_unchanged(spans):
    """The same exception object comes out, and the span has its class."""
    error = LookupError("no such secret")

    @spanledger.tool
    def fail() -> None:
        raise error

    @spanledger.tool
    async def fail_later() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        fail()
    assert caught.value is error
    with pytest.raises(LookupError) as caught:
        await fail_later()
    assert caught.value is error
    for span in spans.snapshot():
        assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "LookupError")
    assert "secret" not in "".join(span.to_json() for span in spans.finished())


def test_wrong_arguments_fail_as_they_did(spans):
    """A call that does not fit the signature raises the function's own TypeError."""

    @spanledger.tool
    def one(argument: int) -> int:
        return argument

    with pytest.raises(TypeError, match=re.escape("one() got an unexpected keyword argument 'other'")):
        one(1, other=2)
    assert [span["status"] for span in spans.snapshot()] == ["ERROR"]


def test_arguments_that_cannot_be_described_cost_the_hash_only(spans):
    """A `repr` that raises does not keep the tool from running, nor its span from being there."""

    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    @spanledger.tool
    def meet(whom: Shy) -> str:
        return "met"

    assert meet(Shy()) == "met"
    assert "spanledger.tool.arguments.hash" not in spans.snapshot()[0]["attributes"]


def test_what_a_tool_calls_is_below_it(spans):
    """A tool inside a tool is its child."""

    @spanledger.tool
    def inner() -> None:
        """Do nothing."""

    @spanledger.tool
    def outer() -> None:
        inner()

    outer()
    assert [(span["name"], span["parent"]) for span in spans.snapshot()] == [
        ("execute_tool inner", 1),
        ("execute_tool outer", None),
    ]
