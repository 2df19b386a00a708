"""Spans of a few agents at work, as OTLP requests: enough for every section of the page."""

from __future__ import annotations

import itertools
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Work:
    """One call or tool execution, and when it started, in seconds from now."""

    team: str
    agent: str
    task: str
    at_s: float
    model: str = "gpt-4.1"
    tool: str = ""
    failed: bool = False
    cached: int = 0


def usual_work() -> list[Work]:
    """Three teams: a task that loops on a tool, beside two short ones; one with cache; one without a price."""
    loop = [
        Work("payments", "fixer", "BUG-7", -300 + step, tool="run_tests" if step % 2 else "", failed=bool(step % 2))
        for step in range(12)
    ]
    cached = [Work("platform", "reviewer", "PR-3", -200 + step, cached=800) for step in range(3)]
    unpriced = [Work("research", "reader", "DOC-1", -100 + step, model="house-model") for step in range(2)]
    plain = [Work("payments", "fixer", f"BUG-{number}", -400 + number) for number in (1, 2)]
    return loop + plain + cached + unpriced


def request(work: Iterable[Work]) -> bytes:
    """The export request of all this, a span each."""
    spans = ScopeSpans(spans=[_span(piece) for piece in work])
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[spans])]).SerializeToString()


def send(url: str, work: Iterable[Work]) -> None:
    """Export to the collector at ``url``; returns when it has acknowledged."""
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/traces", request(work), headers)) as answer:
        assert answer.status == 200


def _span(work: Work) -> Span:
    number = next(_numbers)
    start = time.time_ns() + int(work.at_s * 1e9)
    told: dict[str, str | int] = {
        "gen_ai.operation.name": "execute_tool" if work.tool else "chat",
        "gen_ai.agent.name": work.agent,
        "spanledger.team": work.team,
        "spanledger.task": work.task,
    }
    if work.tool:
        told |= {"gen_ai.tool.name": work.tool, "spanledger.tool.arguments.hash": "a" * 16}
    else:
        told |= {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": work.model,
            "gen_ai.response.model": work.model,
            "gen_ai.response.id": f"answer-{start}-{number}",
            "gen_ai.usage.input_tokens": 1000 + number,
            "gen_ai.usage.cache_read.input_tokens": work.cached,
            "gen_ai.usage.output_tokens": 50,
        }
    return Span(
        trace_id=abs(hash(work.task)).to_bytes(16),
        span_id=number.to_bytes(8),
        name=str(told["gen_ai.operation.name"]),
        start_time_unix_nano=start,
        end_time_unix_nano=start + 700_000_000,
        attributes=[KeyValue(key=key, value=_value(value)) for key, value in told.items()],
        status=Status(code=Status.STATUS_CODE_ERROR if work.failed else Status.STATUS_CODE_OK),
    )


def _value(value: str | int) -> AnyValue:
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
