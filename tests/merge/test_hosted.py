"""Agents that a provider runs behind its API, and instrumentors that nest two spans of one call."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.model import Call
from spanledger_collector.testing import MemoryCollector

AGENT: dict[str, Any] = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
CHAT = {**AGENT, "gen_ai.operation.name": "chat"}


def request(
    span_id: int, attributes: dict[str, Any], parent: int = 0, trace: int = 1, kind: int = Span.SPAN_KIND_CLIENT
) -> ExportTraceServiceRequest:
    """One span, a request of its own; the smaller its id, the longer it lasts on both sides."""
    sent = ExportTraceServiceRequest()
    scope_spans = sent.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = "acme"
    span = scope_spans.spans.add(
        trace_id=trace.to_bytes(16),
        span_id=span_id.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=str(attributes["gen_ai.operation.name"]),
        kind=kind,
        start_time_unix_nano=1_700_000_000_000_000_000 + span_id,
        end_time_unix_nano=1_700_000_001_000_000_000 - span_id,
    )
    for name, value in attributes.items():
        attribute = span.attributes.add(key=name)
        if isinstance(value, int):
            attribute.value.int_value = value
        else:
            attribute.value.string_value = value
    return sent


def settled(*requests: ExportTraceServiceRequest) -> list[Call]:
    """The ledger, which is the same in whatever order the spans arrive."""
    ledgers = []
    for order in permutations(requests):
        collector = MemoryCollector()
        for each in order:
            collector.send(each)
        ledgers.append(collector.calls())
    assert all(ledger == ledgers[0] for ledger in ledgers)
    return ledgers[0]


def test_an_agent_behind_an_api_is_billed_once() -> None:
    """A client's agent span with usage and nothing below it is a call, marked by its operation, and priced."""
    (call,) = settled(request(1, AGENT))
    assert (call.kind, call.operation, call.input_tokens, call.price_status) == ("llm", "invoke_agent", 1000, "priced")


@pytest.mark.parametrize("usage", [1000, None])
def test_a_call_below_an_agent_makes_it_a_wrapper(usage: int | None) -> None:
    """Also when the call arrives later, and when it reports no usage of its own: better unknown than twice."""
    below = {name: value for name, value in CHAT.items() if usage or "usage" not in name}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"}
    calls = settled(request(1, AGENT), request(2, tool, parent=1), request(3, below, parent=2))
    assert [(call.operation, call.input_tokens) for call in calls if call.kind == "llm"] == [("chat", usage)]


def test_the_same_answer_in_another_trace_makes_an_agent_a_wrapper() -> None:
    """Parentage may be lost between instrumentors; the response id tells."""
    answer = {"gen_ai.response.id": "resp_68af4030592c8190"}
    (call,) = settled(request(1, AGENT | answer), request(2, CHAT | answer, trace=2))
    assert (call.operation, call.input_tokens) == ("chat", 1000)


def test_of_nested_agents_the_inner_is_billed() -> None:
    """An agent that calls a hosted agent repeats its usage."""
    (call,) = settled(request(1, AGENT), request(2, AGENT | {"gen_ai.usage.input_tokens": 900}, parent=1))
    assert call.input_tokens == 900


def test_an_agent_in_the_own_process_is_never_billed() -> None:
    """The span of an agent that runs here is internal: its calls were made by this process, seen or not."""
    assert settled(request(1, AGENT, kind=Span.SPAN_KIND_INTERNAL)) == []


def test_two_nested_spans_of_one_instrumentor_are_one_call() -> None:
    """A parent and child of one scope with the same model and counts are one call, with the id that one of them has."""
    answer = {"gen_ai.response.id": "msg_01XFDUDYJgAACzvnptvVoYEL"}
    (call,) = settled(request(1, CHAT), request(2, CHAT | answer, parent=1))
    assert (call.response_id, call.input_tokens) == (answer["gen_ai.response.id"], 1000)


def test_a_call_without_usage_right_above_another_of_its_scope_only_wraps_it() -> None:
    """The usage of a stream may be on a span below the one of the call."""
    announced = {name: value for name, value in CHAT.items() if "usage" not in name}
    (call,) = settled(request(1, announced), request(2, CHAT, parent=1))
    assert call.input_tokens == 1000


def test_a_call_made_by_a_call_s_tool_is_a_call() -> None:
    """Equal counts with a tool in between are two calls: an automatic tool loop may ask the model again."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"}
    calls = settled(request(1, CHAT), request(2, tool, parent=1), request(3, CHAT, parent=2))
    assert len([call for call in calls if call.kind == "llm"]) == 2
