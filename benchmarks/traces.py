"""Spans as fleets send them, made up: agents' traces with calls and tools, and plain HTTP and database spans."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

START_NS = 1_795_000_000_000_000_000
SPANS_PER_REQUEST = 100
SPANS_PER_TRACE = 20


KINDS = ("plain", "genai", "content")
CONTENT_CHARACTERS = 700


def requests(
    kind: str, spans: int, seed: int = 1, spans_per_request: int = SPANS_PER_REQUEST
) -> list[ExportTraceServiceRequest]:
    """``spans`` spans of one of ``KINDS``, as an SDK's exporter sends them: children first.

    ``content`` are ``genai`` spans whose calls carry their messages, in and out, each of ``CONTENT_CHARACTERS``.
    """
    chance = random.Random(seed)
    source = _plain(chance) if kind == "plain" else _genai(chance, CONTENT_CHARACTERS if kind == "content" else 0)
    count = -(-spans // spans_per_request) * spans_per_request
    return _requests([next(source) for _ in range(count)], kind, spans_per_request)


def spread(spans: int, batches: int, seed: int = 1) -> list[list[ExportTraceServiceRequest]]:
    """``genai`` spans of traces that all run at the same time, so that each of ``batches`` has some spans of each.

    Children first, as they end first, and the agents' own spans in the last.
    """
    source = _genai(random.Random(seed), 0)
    traces = [[next(source) for _ in range(SPANS_PER_TRACE)] for _ in range(spans // SPANS_PER_TRACE)]
    share = SPANS_PER_TRACE // batches
    return [
        _requests([span for trace in traces for span in trace[at : at + share]], "genai", SPANS_PER_REQUEST)
        for at in range(0, SPANS_PER_TRACE, share)
    ]


def _requests(spans: Sequence[Span], kind: str, spans_per_request: int) -> list[ExportTraceServiceRequest]:
    made = []
    for start in range(0, len(spans), spans_per_request):
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        _set(resource_spans.resource.attributes, {"service.name": "fleet", "service.instance.id": "i-1"})
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "http" if kind == "plain" else "opentelemetry.instrumentation.genai.openai"
        scope_spans.spans.extend(spans[start : start + spans_per_request])
        made.append(request)
    return made


def _genai(chance: random.Random, content_characters: int) -> Iterator[Span]:
    """Traces of one agent run each: ten calls of the model, nine tools, and the agent's span last."""
    clock_ns = START_NS
    while True:
        trace_id, root = chance.randbytes(16), chance.randbytes(8)
        for step in range(10):
            clock_ns += 2_000_000_000
            cached = 800 * step
            texts = {
                name: f'[{{"role":"user","parts":[{{"type":"text","content":"{_text(chance, content_characters)}"}}]}}]'
                for name in ("gen_ai.input.messages", "gen_ai.output.messages")
                if content_characters
            }
            yield _span(
                trace_id,
                root,
                clock_ns,
                "chat gpt-4.1",
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4.1",
                    "gen_ai.response.model": "gpt-4.1-2025-04-14",
                    "gen_ai.response.id": f"chatcmpl-{chance.randbytes(12).hex()}",
                    "gen_ai.usage.input_tokens": 1000 + cached,
                    "gen_ai.usage.output_tokens": chance.randrange(50, 500),
                    "gen_ai.usage.cache_read.input_tokens": cached,
                    "server.address": "api.openai.com",
                    "server.port": 443,
                    **texts,
                },
                chance,
            )
            if step < 9:
                attributes = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "read_file",
                    "gen_ai.tool.call.id": f"call_{chance.randbytes(9).hex()}",
                }
                yield _span(trace_id, root, clock_ns + 1_000_000_000, "execute_tool read_file", attributes, chance)
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "coder", "user.id": "u-1"}
        yield _span(trace_id, b"", clock_ns - 20_000_000_000, "invoke_agent coder", attributes, chance, root)


def _plain(chance: random.Random) -> Iterator[Span]:
    clock_ns = START_NS
    while True:
        trace_id, root = chance.randbytes(16), chance.randbytes(8)
        for _ in range(9):
            clock_ns += 1_000_000
            attributes = {
                "db.system": "postgresql",
                "db.statement": "SELECT 1",
                "db.name": "shop",
                "net.peer.port": 5432,
            }
            yield _span(trace_id, root, clock_ns, "SELECT shop", attributes, chance)
        attributes = {"http.request.method": "GET", "http.route": "/cart", "http.response.status_code": 200}
        yield _span(trace_id, b"", clock_ns, "GET /cart", attributes, chance, root)


def _span(
    trace_id: bytes,
    parent: bytes,
    start_ns: int,
    name: str,
    attributes: dict[str, str | int],
    chance: random.Random,
    span_id: bytes = b"",
) -> Span:
    span = Span(
        trace_id=trace_id,
        span_id=span_id or chance.randbytes(8),
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + 900_000_000,
    )
    _set(span.attributes, attributes)
    return span


def _text(chance: random.Random, characters: int) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz      ", k=characters))


def _set(target: object, attributes: dict[str, str | int]) -> None:
    for key, value in attributes.items():
        pair = target.add(key=key)  # type: ignore[attr-defined]
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value
