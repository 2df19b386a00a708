"""Whatever goes wrong beside a call, or in it, the application sees what it would without us."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from resource import RUSAGE_SELF, getrusage
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from spanledger import instrument, uninstrument
from spanledger.tracing import use_provider
from spanledger.wire.decoding import LARGEST_BYTES

MB = 1024 * 1024
PIECE = b'data: {"choices": [{"index": 0, "delta": {"content": "' + b"x" * 65_000 + b'"}}]}\n\n'


class BrokenExporter(SpanExporter):
    """Raises, as an exporter should not."""

    def export(self, spans: Any) -> SpanExportResult:
        """Fail."""
        raise RuntimeError("the exporter is broken")


class HangingExporter(SpanExporter):
    """Does not return until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        """Hang."""
        self.gate.wait()
        return SpanExportResult.FAILURE


class BrokenProcessor(SimpleSpanProcessor):
    """Raises wherever a processor is called."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Fail."""
        raise RuntimeError("the processor is broken")

    def on_end(self, span: ReadableSpan) -> None:
        """Fail."""
        raise RuntimeError("the processor is broken")


async def seen_by(client: Any, url: str, case: dict[str, Any]) -> tuple[Any, ...]:
    """Give what a caller can see of a call: status and bytes, or the exception and the bytes before it."""
    so_far = b""
    status = None
    try:
        async with client.post(url + case["path"], case["request"]) as response:
            status = response.status
            async for chunk in response.chunks:
                so_far += chunk
    except Exception as error:
        return status, so_far, type(error)
    return status, so_far, None


@pytest.fixture
def exporting(spans: Any) -> Iterator[Callable[[Any], None]]:
    """Let spans go to a processor of the test's instead."""
    before = use_provider(None)

    def to(processor: Any) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        use_provider(provider)

    yield to
    use_provider(before)


@pytest.mark.parametrize("broken", ["raises", "hangs", "processor"])
async def test_an_exporter_that_fails_is_not_the_callers_business(client, broken, provider, exporting, recorded_case):
    """An exporter or a processor that raises or hangs changes neither status nor bytes, and holds nobody up."""
    hanging = HangingExporter()
    exporting(
        {
            "raises": lambda: SimpleSpanProcessor(BrokenExporter()),
            "hangs": lambda: BatchSpanProcessor(hanging, schedule_delay_millis=1, max_export_batch_size=1),
            "processor": lambda: BrokenProcessor(BrokenExporter()),
        }[broken]()
    )
    case = recorded_case("chat_stream")
    provider.will_answer_case(case)
    seen = [await seen_by(client, provider.url, case) for _ in range(5)]
    hanging.gate.set()
    uninstrument()
    assert seen == [await seen_by(client, provider.url, case)] * 5


GARBAGE = [
    b"",
    b"\x00\xff" * 500,
    b"data: {half a fra",
    b'data: {"usage": {"prompt_tokens": "many"}}\n\n',
    b"data: " + b"[" * 50_000 + b"\n\n",
    b"\x00\x00\x00\x05\x00\x00\x00\xff" * 3,
    b"\xff\xff\xff\xff" * 8,
    gzip.compress(b"{}")[:9],
]
HEADS = [
    {"content_type": "text/event-stream"},
    {"content_type": "application/json"},
    {"content_type": "application/vnd.amazon.eventstream"},
    {"content_type": "image/png"},
    {"content_type": "text/event-stream", "content_encoding": "gzip"},
    {"content_type": "application/json", "content_encoding": "br"},
    {"content_type": "application/json", "content_encoding": "zstd"},
    {"content_type": "application/json", "content_encoding": "no-such-thing"},
]


@pytest.mark.parametrize("head", HEADS, ids=lambda head: " ".join(head.values()))
@pytest.mark.parametrize("name", ["chat_stream", "gemini_stream", "converse_stream"])
async def test_garbage_passes_as_it_came(client, name, head, provider, spans, recorded_case, caplog):
    """Whatever comes under whatever name, the caller sees what it would without us, and the log stays silent."""
    case = recorded_case(name)
    for body in GARBAGE:
        provider.will_answer(body, **head)
        provider.will_answer(body, **head)
    for body in GARBAGE:
        spans_before = len(spans.finished())
        with_us = await seen_by(client, provider.url, case)
        assert len(spans.finished()) == spans_before + 1
        uninstrument()
        assert await seen_by(client, provider.url, case) == with_us
        assert with_us[1] == body or with_us[2] is not None
        instrument()
    usage = [key for span in spans.snapshot() for key in span["attributes"] if key.startswith("gen_ai.usage")]
    assert usage == []
    assert not [record for record in caplog.records if record.name == "spanledger"]


@pytest.mark.parametrize("breaks", [False, True], ids=["ends", "breaks"])
async def test_half_a_frame_at_the_end(client, breaks, provider, spans, recorded_case):
    """A stream that stops within a frame passes as it came; the span has what was before it."""
    case = recorded_case("converse_stream")
    provider.will_answer_case(case, breaks=breaks)
    provider.answers[0].pieces[-1] = provider.answers[0].pieces[-1][:20]
    with_us = await seen_by(client, provider.url, case)
    uninstrument()
    assert await seen_by(client, provider.url, case) == with_us
    attributes = spans.snapshot()[0]["attributes"]
    assert attributes["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert "gen_ai.usage.input_tokens" not in attributes


@pytest.mark.parametrize("size_mb", [64, pytest.param(2048, marks=pytest.mark.slow)])
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
async def test_a_huge_body_is_not_kept(client, content_type, size_mb, provider, spans, recorded_case):
    """Of megabytes or gigabytes that stream by, all arrive, and what is read along does not grow with them."""
    case = recorded_case("chat_stream")
    pieces = [PIECE] * (size_mb * MB // len(PIECE))
    peak_before_kb = getrusage(RUSAGE_SELF).ru_maxrss
    provider.will_answer(b"", content_type=content_type)
    provider.answers[0].pieces = [*pieces, b'data: {"usage": {"prompt_tokens": 7}}\n\n']
    received = 0
    async with client.post(provider.url + case["path"], case["request"]) as response:
        async for chunk in response.chunks:
            received += len(chunk)
    assert received == sum(map(len, provider.answers[0].pieces)) > LARGEST_BYTES
    assert (getrusage(RUSAGE_SELF).ru_maxrss - peak_before_kb) * 1024 < 3 * LARGEST_BYTES
    attributes = spans.snapshot()[0]["attributes"]
    assert attributes.get("gen_ai.usage.input_tokens") == (7 if content_type == "text/event-stream" else None)


@pytest.mark.parametrize(("encoding", "package"), [("br", "brotli"), ("zstd", "zstandard")])
async def test_other_encodings_are_read_where_the_client_can(client, encoding, package, provider, spans, recorded_case):
    """Brotli and Zstandard bytes reach the caller as they are; usage is read with the packages that clients use."""
    module = pytest.importorskip(package)
    compress = module.compress if encoding == "br" else module.ZstdCompressor().compress
    case = recorded_case("chat_plain")
    packed = compress(json.dumps(case["answer"]).encode())
    provider.will_answer(packed, content_encoding=encoding)
    assert await seen_by(client, provider.url, case) == (200, packed, None)
    usage = "gen_ai.usage.input_tokens"
    assert spans.snapshot()[0]["attributes"][usage] == case["attributes"][usage]
