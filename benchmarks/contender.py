"""A process of `instrument.py`: one contender, always on, that makes a block of calls whenever a line asks for it.

Standard input has the mode of the next block (``sync`` or ``async``), ``export``, or ``count MODE KIND CALLS``; a line
of JSON answers each. Counting switches valgrind on for so many calls and the export of their spans.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from chat_server import LONG_CHUNKS, MESSAGES, SHORT_CHUNKS

BLOCKS: dict[str, tuple[int, dict[str, Any]]] = {
    "plain": (20, {}),
    "short": (6, {"stream": True, "user": str(SHORT_CHUNKS)}),
    "long": (2, {"stream": True, "user": str(LONG_CHUNKS)}),
}
"""How many calls of each kind are measured in a block, and what they ask for."""


WARM_UP_CALLS = 20


def set_provider(url: str) -> None:
    """Let spans go out in batches, as in production, but at a time of our choice."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
    trace.set_tracer_provider(provider)


class Calls:
    """Calls by clients that are kept: one connection each."""

    def __init__(self, url: str, around: Callable[[], AbstractContextManager[Any]]) -> None:
        import openai

        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
        self._async_client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any")
        self._around = around

    async def sync(self, **options: Any) -> None:
        """A call to the end of its answer, by the sync client."""
        with self._around():
            answer = self._client.chat.completions.create(model="gpt-4o", messages=MESSAGES, **options)
            if isinstance(answer, Iterator):
                for _chunk in answer:
                    pass

    async def asynchronous(self, **options: Any) -> None:
        """The same, by the async client."""
        with self._around():
            answer = await self._async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES, **options)
            if isinstance(answer, AsyncIterator):
                async for _chunk in answer:
                    pass


async def block(call: Callable[..., Awaitable[None]]) -> dict[str, tuple[float, float]]:
    """Give the microseconds that a call of each kind takes: wall of the fastest, CPU of the median."""
    measured = {}
    for kind, (calls, options) in BLOCKS.items():
        await call(**options)
        wall, cpu = [], []
        for _ in range(calls):
            before, cpu_before = time.perf_counter(), time.process_time()
            await call(**options)
            cpu.append(time.process_time() - cpu_before)
            wall.append(time.perf_counter() - before)
        # What else the machine does delays most of the calls, but hardly all.
        measured[kind] = (min(wall) * 1e6, statistics.median(cpu) * 1e6)
    return measured


async def repeat(call: Callable[..., Awaitable[None]], kind: str, calls: int) -> None:
    """Make so many calls of a kind."""
    for _ in range(calls):
        await call(**BLOCKS[kind][1])


def switch_counting(on_or_off: str) -> None:
    """Let valgrind, in which this process runs, count instructions or leave it."""
    command = ["callgrind_control", "-i", on_or_off, str(os.getpid())]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def run(url: str, provider: str, switch_on: str) -> None:
    """Answer line after line."""
    from opentelemetry import trace

    # Who makes a provider of its own is told the same by the standard variables.
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    if provider == "given":
        set_provider(url)
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    if switch_on == "bare span":
        tracer = trace.get_tracer("bare")
        around = lambda: tracer.start_as_current_span(  # noqa: E731
            "chat gpt-4o", attributes={"gen_ai.request.model": "gpt-4o"}
        )
    else:
        exec(switch_on)
    made = Calls(url, around)
    loop = asyncio.new_event_loop()
    modes = {"sync": made.sync, "async": made.asynchronous}
    for line in sys.stdin:
        spans: Any = trace.get_tracer_provider()
        answer: Any = None
        match line.split():
            case ["export"]:
                before = time.process_time()
                spans.force_flush()
                answer = (time.process_time() - before) * 1e6
            case ["count", mode, kind, calls]:
                loop.run_until_complete(repeat(modes[mode], kind, WARM_UP_CALLS))
                spans.force_flush()
                switch_counting("on")
                loop.run_until_complete(repeat(modes[mode], kind, int(calls)))
                spans.force_flush()
                switch_counting("off")
            case [mode]:
                answer = loop.run_until_complete(block(modes[mode]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    run(*sys.argv[1:])
