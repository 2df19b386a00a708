"""Which log records become facts, and that nothing a record holds can do harm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from spanledger_collector.journal import Bounds, Intake, Journal
from spanledger_collector.normalise import facts_of_logs, states_calls
from spanledger_collector.pipeline import leads_to_ledger
from spanledger_collector.receive.submit import ALL_TAKEN, IGNORED, Outcome, Received

REQUEST = {
    "event.name": "claude_code.api_request",
    "session.id": "s-1",
    "prompt.id": "p-1",
    "model": "claude-sonnet-4-5",
    "input_tokens": 1000,
    "cache_read_tokens": 3000,
    "output_tokens": 300,
    "cost_usd": 0.01,
    "duration_ms": 250,
}


def test_a_record_is_an_interval_that_ends_when_it_was_written(record_with) -> None:
    """The duration reaches back from the time of the record."""
    (fact,) = facts_of_logs(record_with(REQUEST, time_ns=10**18))
    assert (fact.started_at_ns, fact.ended_at_ns) == (10**18 - 250_000_000, 10**18)


def test_a_record_sent_again_is_the_same_fact(record_with) -> None:
    """Place and content are derived from the record alone; a record that differs is another fact."""
    first = facts_of_logs(record_with(REQUEST))
    assert first == facts_of_logs(record_with(dict(reversed(REQUEST.items()))))
    (one,), (other,) = first, facts_of_logs(record_with(REQUEST | {"output_tokens": 301}))
    assert one.trace_id == other.trace_id
    assert one.span_id != other.span_id


def test_a_record_inside_a_trace_stays_there(record_with) -> None:
    """With the ids of a trace the record is a child of the span it was written in."""
    (fact,) = facts_of_logs(record_with(REQUEST, trace_id=bytes([7] * 16), span_id=bytes([9] * 8)))
    assert (fact.trace_id, fact.parent_span_id) == ("07" * 16, "09" * 8)


@pytest.mark.parametrize("trace_id", [b"", bytes(16), b"short"])
def test_a_record_without_a_valid_trace_gets_one_of_its_conversation(record_with, trace_id: bytes) -> None:
    """What one prompt led to lies in one trace, and another prompt's in another."""
    (fact,) = facts_of_logs(record_with(REQUEST, trace_id=trace_id, span_id=b"12345678"))
    (later,) = facts_of_logs(record_with(REQUEST | {"prompt.id": "p-2"}))
    assert (len(fact.trace_id), len(fact.span_id), fact.parent_span_id) == (32, 16, "")
    assert fact.trace_id != later.trace_id


@pytest.mark.parametrize("duration", ["-5", "nan", "inf", "abc", 1e300, -1, True, "1e400"])
def test_a_nonsense_duration_moves_no_time(record_with, duration: object) -> None:
    """A start is never after the end and never before the epoch."""
    (fact,) = facts_of_logs(record_with(REQUEST | {"duration_ms": duration}))
    assert 0 <= fact.started_at_ns <= fact.ended_at_ns == 10**18


@pytest.mark.parametrize("count", ["many", -1, float("nan"), 1e30, True, ""])
def test_a_nonsense_count_is_unknown(record_with, count: object) -> None:
    """What is no count counts nothing; the others still hold."""
    (fact,) = facts_of_logs(record_with(REQUEST | {"output_tokens": count}))
    assert (fact.input_tokens, fact.output_tokens) == (4000, None)


def test_the_time_of_observation_serves_where_the_time_is_missing(record_with) -> None:
    """Records without a time of their own are placed when they were seen."""
    request = record_with(REQUEST, time_ns=0)
    request.resource_logs[0].scope_logs[0].log_records[0].observed_time_unix_nano = 5 * 10**17
    (fact,) = facts_of_logs(request)
    assert fact.ended_at_ns == 5 * 10**17


@pytest.mark.parametrize("place", ["body", "event_name", "attribute"])
def test_the_event_is_found_wherever_it_is_named(record_with, place: str) -> None:
    """Emitters name the event in the body, in the record's own field or in an attribute, often in a short form too."""
    request = record_with(REQUEST | {"event.name": REQUEST["event.name"] if place == "attribute" else "api_request"})
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    if place == "body":
        record.body.string_value = "claude_code.api_request"
    elif place == "event_name":
        record.event_name = "claude_code.api_request"
    assert states_calls(request)
    assert len(facts_of_logs(request)) == 1


@pytest.mark.parametrize(
    "event", ["gen_ai.client.inference.operation.details", "claude_code.api_error", "user.login", ""]
)
def test_other_records_are_passed_over(record_with, event: str) -> None:
    """Records that repeat a span, failed attempts and everything that is no call lead nowhere."""
    request = record_with(REQUEST | {"event.name": event})
    assert not states_calls(request)
    assert facts_of_logs(request) == []


def test_tool_prompts_count_as_input_of_gemini(record_with) -> None:
    """What a tool of Gemini's own puts into the prompt is input, and thoughts are output."""
    counts = {"input_token_count": 10, "tool_token_count": 5, "output_token_count": 3, "thoughts_token_count": 4}
    (fact,) = facts_of_logs(record_with({"event.name": "gemini_cli.api_response", "auth_type": "vertex-ai", **counts}))
    assert (fact.input_tokens, fact.output_tokens, fact.reasoning_tokens) == (15, 7, 4)
    assert fact.provider == "gcp.vertex_ai"


def test_the_collector_keeps_what_states_calls_and_ignores_the_rest(record_with, tmp_path: Path) -> None:
    """All are answered with success; other logs and all metrics are told of as ignored."""
    kept: list[object] = []

    async def submit_all() -> list[Outcome]:
        journal = Journal(tmp_path / "journal.db", Bounds(1_000_000, 60, 0))
        intake = Intake(journal, wanted=leads_to_ledger, arrived=lambda: None, max_pending_bytes=1000)
        bodies = (
            ("logs", record_with(REQUEST)),
            ("logs", record_with({"event.name": "other"})),
            ("logs", ExportLogsServiceRequest()),
            ("metrics", ExportMetricsServiceRequest()),
        )
        outcomes = [await intake.submit(Received(signal, body, 10)) for signal, body in bodies]
        await intake.stop()
        kept.extend(entry.request.parse() for entry in journal.read(max_spans=10, max_bytes=1_000_000))
        journal.close()
        return outcomes

    assert asyncio.run(submit_all()) == [ALL_TAKEN, IGNORED, IGNORED, IGNORED]
    assert kept == [record_with(REQUEST)]
