"""Who a call is for: nesting, concurrency, other people's spans, other processes."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import attach, detach, get_current

import spanledger
from spanledger.attributes import IDENTITY


def identities(spans):
    """Give the identity on each span by its name."""
    return {
        span["name"]: {
            name.removeprefix("spanledger."): value for name, value in span["attributes"].items() if name in IDENTITY
        }
        for span in spans.snapshot()
    }


def test_a_task_is_a_root_span_of_its_own(spans):
    """A task opens one INTERNAL root span, whole as written here."""
    with spanledger.task("T-42", agent="coder", team="platform", user="u-17", session="s-1"):
        pass
    assert spans.snapshot() == [
        {
            "name": "invoke_workflow",
            "kind": "INTERNAL",
            "trace": 1,
            "span": 1,
            "parent": None,
            "start_s": 1.0,
            "end_s": 2.0,
            "status": "UNSET",
            "attributes": {
                "gen_ai.operation.name": "invoke_workflow",
                "spanledger.task": "T-42",
                "spanledger.agent": "coder",
                "spanledger.team": "platform",
                "spanledger.user": "u-17",
                "spanledger.session": "s-1",
            },
        }
    ]


def test_an_agent_is_a_span_below_its_task(spans):
    """An agent opens an INTERNAL span in the task's trace, whole as written here."""
    with spanledger.task(42), spanledger.agent("reviewer"):
        pass
    assert spans.snapshot()[0] == {
        "name": "invoke_agent reviewer",
        "kind": "INTERNAL",
        "trace": 1,
        "span": 2,
        "parent": 1,
        "start_s": 2.0,
        "end_s": 3.0,
        "status": "UNSET",
        "attributes": {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "reviewer",
            "spanledger.task": "42",
            "spanledger.agent": "reviewer",
        },
    }


def test_the_inner_value_wins_field_by_field(spans, provider, recorded_case):
    """Inside a task, an agent replaces the agent and keeps the rest; afterwards the outer values hold again."""
    case = recorded_case("embeddings_plain")
    provider.will_answer_case(case)
    other = spans.provider.get_tracer("another.instrumentor")
    with httpx2.Client() as client, spanledger.task("T-1", agent="planner", user="u"):
        with spanledger.agent("coder", team="core"):
            client.post(provider.url + case["path"], json=case["request"])
        with other.start_as_current_span("after"):
            pass
    with other.start_as_current_span("outside"):
        pass
    assert identities(spans) == {
        "embeddings text-embedding-3-small": {"task": "T-1", "agent": "coder", "team": "core", "user": "u"},
        "invoke_agent coder": {"task": "T-1", "agent": "coder", "team": "core", "user": "u"},
        "after": {"task": "T-1", "agent": "planner", "user": "u"},
        "invoke_workflow": {"task": "T-1", "agent": "planner", "user": "u"},
        "outside": {},
    }


async def test_tasks_at_the_same_time_do_not_mix(spans):
    """Coroutines that run interleaved each keep their own task."""
    tracer = spans.provider.get_tracer("another.instrumentor")

    @spanledger.agent("worker")
    async def work(name: str) -> str:
        await asyncio.sleep(0)
        with tracer.start_as_current_span(f"step of {name}"):
            await asyncio.sleep(0)
        return name

    async def run(name: str) -> str:
        async with spanledger.task(name):
            return await work(name)

    assert await asyncio.gather(*map(run, "abc")) == ["a", "b", "c"]
    found = identities(spans)
    assert {name: found[f"step of {name}"]["task"] for name in "abc"} == {"a": "a", "b": "b", "c": "c"}
    assert len({span["trace"] for span in spans.snapshot()}) == 3


def test_a_decorated_function_is_a_block_each_time(spans):
    """A decorated function, recursive here, keeps its name and result and opens one span a call."""

    @spanledger.task("T-9")
    def count_down(number: int) -> int:
        """Count."""
        return number if number == 0 else count_down(number - 1)

    assert (count_down(2), count_down.__name__, count_down.__doc__) == (0, "count_down", "Count.")
    assert [span["parent"] for span in spans.snapshot()] == [2, 1, None]


def test_identity_arrives_in_another_process(spans):
    """What a W3C propagator carries over stamps the spans there, also names that need quoting."""
    carrier: dict[str, str] = {}
    with spanledger.task("T 7/ü", user="u,1"):
        propagate.inject(carrier)
    token = attach(propagate.extract(carrier))
    with spans.provider.get_tracer("another.instrumentor").start_as_current_span("over there"):
        pass
    detach(token)
    assert identities(spans)["over there"] == {"task": "T 7/ü", "user": "u,1"}
    assert spans.snapshot()[1]["trace"] == spans.snapshot()[0]["trace"]


@pytest.mark.parametrize("error", [ValueError("secret"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_exception_passes_and_marks_the_span(error, spans):
    """The same exception comes out; the span has its class and not its text, and the context is put back."""
    before = get_current()
    with pytest.raises(type(error)) as caught, spanledger.task("T-1"):
        raise error
    assert caught.value is error
    assert get_current() == before
    (span,) = spans.snapshot()
    assert span["status"] == "ERROR"
    assert span["attributes"]["error.type"].endswith(type(error).__name__)
    assert "secret" not in str(spans.finished()[0].to_json())


def test_a_scope_needs_no_provider_to_carry_identity():
    """Without any tracer provider the block works, and the baggage is there for whoever reads it."""
    with spanledger.task("T-5", team="core") as span:
        assert baggage.get_all() == {"spanledger.task": "T-5", "spanledger.team": "core"}
        assert trace.get_current_span() is span
    assert baggage.get_all() == {}


def test_a_sampler_that_fails_does_not_break_the_block(spans, monkeypatch, caplog):
    """A provider that raises costs the span, not the block, and the trace goes on through it."""
    outer = spans.provider.get_tracer("another.instrumentor").start_span("outer")
    token = attach(trace.set_span_in_context(outer))
    with monkeypatch.context() as patched:
        patched.setattr(type(spans.provider.sampler), "should_sample", None)
        with spanledger.task("T-1") as span:
            assert span.get_span_context() == outer.get_span_context()
    detach(token)
    outer.end()
    assert [span["name"] for span in spans.snapshot()] == ["outer"]
    assert [record.name for record in caplog.records] == ["spanledger"]
