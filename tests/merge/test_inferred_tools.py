"""A tool execution that the conversation tells of, and the one that somebody saw: one row."""

from __future__ import annotations

from spanledger_collector.merge import fold
from spanledger_collector.model import Fact, Resource, Span
from spanledger_collector.normalise.classify import normalise

MS = 1_000_000


def span(span_id: str, scope: str, start_ms: int, end_ms: int, **attributes: object) -> Span:
    """A span as our own instrumentation sends it."""
    said = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.id": "call_1",
        **{name.replace("__", "."): value for name, value in attributes.items()},
    }
    return Span(
        trace_id="t1",
        span_id=span_id,
        parent_span_id="",
        name="execute_tool search",
        kind=1,
        start_ns=start_ms * MS,
        end_ns=end_ms * MS,
        status_code=0,
        status_message="",
        trace_state="",
        attributes=said,
        events=[],
        links=[],
        scope_name=scope,
        scope_version="",
        resource=Resource({"service.name": "app"}),
    )


def facts_of(*spans: Span) -> list[Fact]:
    """What the spans state."""
    return [fact for fact in map(normalise, spans) if fact is not None]


def test_an_inferred_and_a_seen_execution_are_one_row() -> None:
    """Both have the model's call id; ours come under two scopes, and so pass for two observers of one execution."""
    seen = span("a", "spanledger", 110, 120, error__type="TimeoutError", spanledger__tool__arguments__hash="h")
    inferred = span("b", "spanledger.inferred", 100, 130, spanledger__tool__inferred=True)
    (call,) = [row.call for row in fold(facts_of(seen, inferred)).values() if row.call]
    assert (call.kind, call.tool_name, call.tool_call_id, call.tool_arguments_hash) == ("tool", "search", "call_1", "h")
    assert (call.status, call.error_type, call.dialect) == ("error", "TimeoutError", "spanledger")
    assert (call.span_id, call.started_at_ns, call.duration_ms) == ("a", 110 * MS, 10.0)


def test_two_inferred_executions_are_two_rows() -> None:
    """One scope says of one call id once; the same id again, in one conversation, is another execution."""
    first, second = (span(name, "spanledger.inferred", start, start + 5) for name, start in (("a", 100), ("b", 200)))
    assert len([row for row in fold(facts_of(first, second)).values() if row.call]) == 2


def test_sizes_of_the_input_are_no_unread_usage() -> None:
    """Estimated repeated tokens say something of the input tokens that are read; they are not more of them."""
    (fact,) = facts_of(span("a", "spanledger", 1, 2, spanledger__input__repeated_tokens=100))
    assert fact.unread_usage_attributes == ""
