"""For tests, ours and yours: spans in memory, with fixed ids and a fixed clock.

::

    def test_what_my_agent_spends():
        with spanledger.testing.recorded_spans() as spans:
            my_agent.run()
        assert spans.snapshot()[0]["attributes"]["gen_ai.usage.input_tokens"] == 1200
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from spanledger import clock, conversation, repetition
from spanledger.incoming import INCOMING
from spanledger.provider import stamp
from spanledger.tools.watching import TOOLS
from spanledger.tracing import use_provider
from spanledger.wire import resends
from spanledger.wire.clients import CLIENTS

SECOND_NS = 1_000_000_000


class CountingIds(IdGenerator):
    """Ids 1, 2, 3, ... for traces and for spans."""

    def __init__(self) -> None:
        self._trace_ids = itertools.count(1)
        self._span_ids = itertools.count(1)

    def generate_trace_id(self) -> int:
        """Give the next trace id."""
        return next(self._trace_ids)

    def generate_span_id(self) -> int:
        """Give the next span id."""
        return next(self._span_ids)


class RecordedSpans:
    """The spans that ended while it recorded, in the order of their ends."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider(
            resource=Resource({"service.name": "test"}), id_generator=CountingIds(), shutdown_on_exit=False
        )
        """The provider behind it, for spans of other instrumentors."""
        stamp(self.provider)
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))

    def finished(self) -> tuple[ReadableSpan, ...]:
        """Give the spans as the SDK has them."""
        return self._memory.get_finished_spans()

    def snapshot(self) -> list[dict[str, Any]]:
        """Give the spans as plain dicts, to be compared whole.

        Keys: ``name, kind, trace, span, parent`` (numbers; parent None for a root), ``start_s, end_s``
        (readings of the fixed clock), ``status`` (``UNSET|OK|ERROR``) and ``attributes``.
        """
        return [_plain(span) for span in self.finished()]


@contextmanager
def recorded_spans() -> Iterator[RecordedSpans]:
    """Instrument, and keep spanledger's spans in memory instead of sending them.

    Ids count from 1; the clock says 1 s, 2 s, 3 s, ... each time it is read. Afterwards everything is as it
    was.
    """
    recorded = RecordedSpans()
    conversation.forget_all()
    repetition.forget_all()
    resends.forget_all()
    readings = itertools.count(SECOND_NS, SECOND_NS)
    provider_before, clock_before = use_provider(recorded.provider), clock.now_ns
    clock.now_ns = lambda: next(readings)
    patched_before = [(patching, patching.start()) for patching in (CLIENTS, TOOLS, INCOMING)]
    try:
        yield recorded
    finally:
        for patching, was_on in patched_before:
            if not was_on:
                patching.stop()
        clock.now_ns = clock_before
        use_provider(provider_before)


def _plain(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace": context.trace_id if context else 0,
        "span": context.span_id if context else 0,
        "parent": span.parent.span_id if span.parent else None,
        "start_s": (span.start_time or 0) / SECOND_NS,
        "end_s": (span.end_time or 0) / SECOND_NS,
        "status": span.status.status_code.name,
        "attributes": {
            name: list(value) if isinstance(value, tuple) else value for name, value in (span.attributes or {}).items()
        },
    }
