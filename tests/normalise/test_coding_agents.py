"""Coding agents say each call by a span, a log record or both: in whatever combination and order, it is one call."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.model import Call
from spanledger_collector.pipeline import LedgerRequest
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector, read_logs

CORPUS = Path(__file__).parents[1] / "corpus"
AGENTS = ["claude_cli", "gemini_cli"]
COUNTS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]


@cache
def spans_of(emitter: str) -> tuple[LedgerRequest, ...]:
    """Every span in a request of its own."""
    singles: list[LedgerRequest] = []
    for path in sorted((CORPUS / emitter).glob("traces-*")):
        for received in read_requests(path):
            for resource_spans in received.body.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        single = ExportTraceServiceRequest()
                        resource = single.resource_spans.add(resource=resource_spans.resource)
                        resource.scope_spans.add(scope=scope_spans.scope).spans.append(span)
                        singles.append(single)
    return tuple(singles)


@cache
def records_of(emitter: str) -> tuple[LedgerRequest, ...]:
    """Every log record in a request of its own."""
    singles: list[LedgerRequest] = []
    for path in sorted((CORPUS / emitter / "logs").iterdir()):
        for resource_logs in read_logs(path).resource_logs:
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    single = ExportLogsServiceRequest()
                    resource = single.resource_logs.add(resource=resource_logs.resource)
                    resource.scope_logs.add(scope=scope_logs.scope).log_records.append(record)
                    singles.append(single)
    return tuple(singles)


def ledger(*requests: LedgerRequest) -> list[Call]:
    """The ledger when all of them arrive at once."""
    collector = MemoryCollector()
    collector.send(*requests)
    return collector.calls()


def totals(calls: list[Call]) -> dict[str, int]:
    """Calls and tokens by kind."""
    rows = [call for call in calls if call.kind == "llm"]
    return {"calls": len(rows), **{name: sum(getattr(row, name) or 0 for row in rows) for name in COUNTS}}


def truth(emitter: str) -> dict[str, Any]:
    """The same, from the provider's side."""
    return json.loads((CORPUS / emitter / "expected.json").read_text())["totals_visible_to_client"]


def tools(calls: list[Call]) -> list[tuple[str, str]]:
    """Name and outcome of each tool that ran."""
    return [(call.tool_name, call.status) for call in calls if call.kind == "tool"]


@pytest.mark.parametrize("emitter", AGENTS)
def test_log_records_alone_hold_every_call(emitter: str) -> None:
    """Without a span the records are the ledger: each kind of token, and what became of each tool."""
    calls = ledger(*records_of(emitter))
    assert totals(calls) == truth(emitter)
    assert [outcome for _, outcome in tools(calls)] == ["ok", "error"]


@pytest.mark.parametrize("emitter", AGENTS)
def test_spans_and_records_of_one_call_are_one_call(emitter: str) -> None:
    """Both together are billed once, at the truth, though they disagree on counts, models and times."""
    assert totals(ledger(*spans_of(emitter), *records_of(emitter))) == truth(emitter)


def test_spans_alone_hold_what_they_say() -> None:
    """Claude Code's spans are exact; Gemini CLI's leave thoughts and cache out, and are never above the truth."""
    assert totals(ledger(*spans_of("claude_cli"))) == truth("claude_cli")
    missing = {"cache_read_tokens": 0, "reasoning_tokens": 0, "output_tokens": 563}
    assert totals(ledger(*spans_of("gemini_cli"))) == truth("gemini_cli") | missing


def test_each_copy_adds_what_only_it_knows() -> None:
    """The span has the time to the first token and the name asked for, the record the cost and the dated name."""
    first = ledger(*spans_of("claude_cli"), *records_of("claude_cli"))[0]
    assert (first.request_model, first.response_model) == ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
    assert (first.ttft_ms, str(first.reported_cost_usd)) == (13.0, "0.013050000000")
    assert (len(first.user), len(first.session)) == (64, 36)


@pytest.mark.parametrize("emitter", AGENTS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_part_of_them_in_any_order(emitter: str, data: st.DataObject) -> None:
    """Any subset, in any order, some sent twice, restarts between: the ledger of that subset, never above the truth."""
    everything = (*spans_of(emitter), *records_of(emitter))
    chosen = data.draw(st.lists(st.sampled_from(range(len(everything))), min_size=1, max_size=60), label="arrivals")
    restarts = data.draw(st.sets(st.sampled_from(chosen), max_size=3), label="restarts")
    collector = MemoryCollector()
    for index in chosen:
        if index in restarts:
            collector.restart()
        collector.send(everything[index])
    assert collector.calls() == ledger(*(everything[index] for index in sorted(set(chosen))))
    assert all(number <= truth(emitter)[name] for name, number in totals(collector.calls()).items())


CODEX_TRACE = bytes(range(16))
START_NS = 1_795_458_982 * 10**9
MILLISECOND = 1_000_000


def codex_span(span_id: int, parent: int, name: str, start_ms: int, end_ms: int, **attributes: Any) -> LedgerRequest:
    """A span as Codex emits it; attribute names with ``__`` for the dot."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "app"
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "codex_exec"
    span = scope_spans.spans.add(
        trace_id=CODEX_TRACE,
        span_id=span_id.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_time_unix_nano=START_NS + start_ms * MILLISECOND,
        end_time_unix_nano=START_NS + end_ms * MILLISECOND,
    )
    for key, value in attributes.items():
        pair = span.attributes.add(key=key.replace("__", "."))
        setattr(pair.value, "int_value" if isinstance(value, int) else "string_value", value)
    return request


TURN = codex_span(
    1,
    0,
    "session_task.turn",
    0,
    900,
    model="gpt-5-codex",
    thread__id="thread-1",
    codex__turn__token_usage__input_tokens=9000,
)
RECEIVING = codex_span(2, 1, "receiving_stream", 10, 890)
COMPLETED = codex_span(
    3,
    2,
    "handle_responses",
    800,
    880,
    gen_ai__usage__input_tokens=5000,
    gen_ai__usage__cache_read__input_tokens=4000,
    gen_ai__usage__output_tokens=300,
    codex__usage__reasoning_output_tokens=200,
    codex__usage__total_tokens=5300,
)
NOISE = codex_span(4, 1, "fs.read_to_string", 20, 21)
COMPLETED_RECORD = {
    "event.name": "codex.sse_event",
    "event.kind": "response.completed",
    "conversation.id": "thread-1",
    "model": "gpt-5-codex",
    "input_token_count": "5000",
    "cached_token_count": 4000,
    "output_token_count": "300",
    "reasoning_token_count": 200,
    "tool_token_count": "5300",
}
CODEX_ORDERS = [
    [TURN, RECEIVING, COMPLETED, NOISE],
    [COMPLETED, NOISE, RECEIVING, TURN],
    [RECEIVING, COMPLETED, TURN, NOISE],
]


@pytest.mark.parametrize("order", CODEX_ORDERS)
@pytest.mark.parametrize("record_at", [None, 0, 2, 4])
def test_codex_names_the_model_on_an_ancestor(record_with, order: list[LedgerRequest], record_at: int | None) -> None:
    """Model, provider and session are those of the turn, also when it arrives later; the record is a copy."""
    arrivals = list(order)
    if record_at is not None:
        arrivals.insert(record_at, record_with(COMPLETED_RECORD, time_ns=START_NS + 860 * MILLISECOND))
    collector = MemoryCollector()
    for request in arrivals:
        collector.send(request)
    (call,) = collector.calls()
    assert (call.request_model, call.provider, call.session) == ("gpt-5-codex", "openai", "thread-1")
    assert totals([call]) == {
        "calls": 1,
        "input_tokens": 5000,
        "cache_read_tokens": 4000,
        "cache_write_tokens": 0,
        "output_tokens": 300,
        "reasoning_tokens": 200,
    }
    assert call.cost_usd is not None


def test_codex_noise_is_no_fact() -> None:
    """Of the hundreds of spans a turn only those that tell of the call are kept as evidence."""
    collector = MemoryCollector()
    collector.send(TURN, RECEIVING, COMPLETED, *(codex_span(n, 1, "fs.stat", n, n + 1) for n in range(10, 400)))
    assert {fact.kind for fact in collector.ledger.facts} == {"llm", "agent", "context"}
    assert len(collector.ledger.facts) == 3


def test_only_the_completed_event_of_codex_is_a_call(record_with) -> None:
    """Other events of the stream, and a completion that failed, state no call."""
    created = COMPLETED_RECORD | {"event.kind": "response.created"}
    failed = {"event.name": "codex.sse_event", "event.kind": "response.completed", "error.message": "x"}
    assert ledger(record_with(created), record_with(failed)) == []


def test_parallel_tools_of_gemini_cli_stay_apart() -> None:
    """Two tools of one name at one time are two executions, by spans, by records and by both."""
    spans = b"".join(request.SerializeToString() for request in spans_of("gemini_cli"))
    twice = ExportTraceServiceRequest.FromString(spans)
    for resource_spans in twice.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in [s for s in scope_spans.spans if s.name == "tool_call"]:
                scope_spans.spans.add().CopyFrom(span)
                scope_spans.spans[-1].span_id = bytes(reversed(span.span_id))
                for pair in scope_spans.spans[-1].attributes:
                    if pair.key == "gen_ai.tool.call_id":
                        pair.value.string_value += "-second"
    expected = sorted(["list_directory", "read_file"] * 2)
    assert sorted(name for name, _ in tools(ledger(twice))) == expected
    assert sorted(name for name, _ in tools(ledger(twice, *records_of("gemini_cli")))) == expected
