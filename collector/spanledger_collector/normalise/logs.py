"""Log records that state a call, as facts: ``facts_of_logs(request)``. Coding agents say there what their spans lack.

A record is read like a span of its own that ended when it was written and lasted ``duration_ms``; its scope is the
event's name. The merge matches it with the span of the same call, or leaves it alone where there is none. Its place
in the traces is derived from what it says: the same record makes the same fact however often it is sent. All other
records are passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from spanledger_collector.decode.otel_traces import text as as_text
from spanledger_collector.decode.spans import LATEST_NS, attributes_of
from spanledger_collector.model import Attributes, Fact, Resource, Span
from spanledger_collector.normalise import claude_code, codex, gemini_cli
from spanledger_collector.normalise.classify import read
from spanledger_collector.normalise.dialect import Dialect
from spanledger_collector.normalise.values import number, text

EVENTS: Mapping[str, Dialect] = {**claude_code.EVENTS, **codex.EVENTS, **gemini_cli.EVENTS}

_CONVERSATION = ("session.id", "conversation.id", "prompt.id", "prompt_id")
_NS_PER_MS = 1_000_000
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_STATUS_ERROR = 2


def states_calls(request: ExportLogsServiceRequest) -> bool:
    """Whether any record of ``request`` may state a call; cheap, as it decides about all logs of an application."""
    return any(
        _event(record)
        for resource_logs in request.resource_logs
        for logs in resource_logs.scope_logs
        for record in logs.log_records
    )


def facts_of_logs(request: ExportLogsServiceRequest) -> list[Fact]:
    """The calls and tool executions that records of ``request`` state."""
    return [
        fact
        for resource_logs in request.resource_logs
        for fact in _facts(resource_logs.scope_logs, Resource(attributes_of(resource_logs.resource.attributes)))
    ]


def _facts(scope_logs: Iterable[ScopeLogs], resource: Resource) -> Iterator[Fact]:
    for logs in scope_logs:
        for record in logs.log_records:
            event = _event(record)
            if event:
                fact = read(_as_span(record, event, resource), EVENTS[event])
                if fact is not None:
                    yield fact


def _event(record: LogRecord) -> str:
    """The event's name, which emitters put in different places; '' for a record of no interest."""
    attribute = next((pair.value.string_value for pair in record.attributes if pair.key == "event.name"), "")
    return next((name for name in (attribute, record.body.string_value, record.event_name) if name in EVENTS), "")


def _as_span(record: LogRecord, event: str, resource: Resource) -> Span:
    attributes = attributes_of(record.attributes)
    ended_at_ns = min(record.time_unix_nano or record.observed_time_unix_nano, LATEST_NS)
    duration_ms = number(attributes.get("duration_ms")) or 0
    in_trace = len(record.trace_id) == _TRACE_ID_BYTES and any(record.trace_id)
    content = as_text(sorted((key, as_text(value)) for key, value in attributes.items()))
    about = [resource.service, resource.instance, *(as_text(attributes.get(name)) for name in _CONVERSATION)]
    if not any(about[2:]):
        about.append(content)
    return Span(
        trace_id=record.trace_id.hex() if in_trace else _derived_id(_TRACE_ID_BYTES, *about),
        span_id=_derived_id(_SPAN_ID_BYTES, event, str(ended_at_ns), *about, content),
        parent_span_id=record.span_id.hex() if in_trace else "",
        name=event,
        kind=0,
        start_ns=max(ended_at_ns - int(duration_ms * _NS_PER_MS), 0),
        end_ns=ended_at_ns,
        status_code=_STATUS_ERROR if _failed(attributes) else 0,
        status_message="",
        trace_state="",
        attributes=attributes,
        events=[],
        links=[],
        scope_name=event,
        scope_version="",
        resource=resource,
    )


def _failed(attributes: Attributes) -> bool:
    return attributes.get("success") is False or text(attributes.get("success")).lower() == "false"


def _derived_id(size_bytes: int, *parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=size_bytes).hexdigest()
