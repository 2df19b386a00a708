"""What tracing adds to a call of the OpenAI SDK: ours beside the other instrumentors, over the bare SDK, in one run.

    python benchmarks/instrument.py [CALLS]

Each contender has a process of its own and one provider to talk to, which answers from memory; spans leave by OTLP
over HTTP for a collector that takes them all. In each process, blocks of calls with and without the instrumentor
alternate; printed are medians of what it adds: microseconds a call (wall / CPU of the whole process, export included)
and CPU microseconds a streamed chunk. Importing is measured over the SDK, OpenTelemetry's SDK and its exporter. A
contender that is not installed is left out, and said.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

CALLS = 1000
BLOCK_CALLS = 50
SHORT_CHUNKS, LONG_CHUNKS = 5, 205
IMPORTS = 5
BASE_IMPORTS = "import openai, opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"

CONTENDERS = {
    "bare span": ("opentelemetry.sdk", ""),
    "spanledger": ("spanledger", "import spanledger.auto"),
    "genai-openai": (
        "opentelemetry.instrumentation.genai.openai",
        "import opentelemetry.instrumentation.genai.openai as it; it.OpenAIInstrumentor().instrument()",
    ),
    "OpenInference": (
        "openinference.instrumentation.openai",
        "import openinference.instrumentation.openai as it; it.OpenAIInstrumentor().instrument()",
    ),
    "Traceloop": (
        "opentelemetry.instrumentation.openai",
        "import opentelemetry.instrumentation.openai as it; it.OpenAIInstrumentor().instrument()",
    ),
}
"""A name, the module that must be there, and what an application does to switch it on."""

MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant who answers in one sentence. " * 20},
    {"role": "user", "content": "What is the capital of France, and how many people live there? " * 10},
]
IDENTITY = {"id": "chatcmpl-AbCdEfGhIjKlMnOp", "created": 1760000000, "model": "gpt-4o-2024-08-06"}
USAGE = {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}


def plain_answer() -> bytes:
    """The whole answer to a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Paris. " * 30}, "finish_reason": "stop"}
    body = json.dumps({**IDENTITY, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def streamed_answer(chunks: int) -> bytes:
    """So many pieces of content, each in an HTTP chunk of its own, and the usage."""

    def sent(event: str) -> bytes:
        data = f"data: {event}\n\n".encode()
        return b"%x\r\n%b\r\n" % (len(data), data)

    def chunk(delta: dict[str, str], **other: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": None}]
        return sent(json.dumps({**IDENTITY, "object": "chat.completion.chunk", "choices": choices, **other}))

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    pieces = [chunk({"content": " word"}) for _ in range(chunks - 1)]
    return b"".join([head, *pieces, chunk({}, usage=USAGE), sent("[DONE]"), b"0\r\n\r\n"])


PLAIN = plain_answer()
STREAMS = {str(chunks): streamed_answer(chunks) for chunks in (SHORT_CHUNKS, LONG_CHUNKS)}
TAKEN = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Provider and collector in one; the user's name says how long a stream is wanted."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b" /v1/traces " in head:
                writer.write(TAKEN)
            else:
                request = json.loads(body)
                writer.write(STREAMS[request["user"]] if request.get("stream") else PLAIN)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@contextmanager
def serving() -> Iterator[str]:
    """Give the address of a server in a thread of this process."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)


def set_provider(url: str) -> Any:
    """Let spans go out in batches, as in production."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider


def switch(name: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Give what turns a contender on and off."""
    if name == "spanledger":
        import spanledger

        return spanledger.instrument, spanledger.uninstrument
    instrumentor = import_module(CONTENDERS[name][0]).OpenAIInstrumentor()
    return instrumentor.instrument, instrumentor.uninstrument


class Calls:
    """The four kinds of calls, by clients that are kept: one connection each."""

    def __init__(self, url: str, name: str) -> None:
        import openai
        from opentelemetry import trace

        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
        self._async_client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any")
        self._tracer = trace.get_tracer("bare") if name == "bare span" else None
        self.is_on = False

    def sync(self, **options: Any) -> None:
        """A call to the end of its answer."""
        if self._tracer is not None and self.is_on:
            with self._tracer.start_as_current_span("chat gpt-4o", attributes={"gen_ai.request.model": "gpt-4o"}):
                self._sync(**options)
        else:
            self._sync(**options)

    def _sync(self, **options: Any) -> None:
        answer = self._client.chat.completions.create(model="gpt-4o", messages=MESSAGES, **options)
        if options.get("stream"):
            for _chunk in answer:
                pass

    async def asynchronous(self, **options: Any) -> None:
        """The same, async."""
        if self._tracer is not None and self.is_on:
            with self._tracer.start_as_current_span("chat gpt-4o", attributes={"gen_ai.request.model": "gpt-4o"}):
                await self._asynchronous(**options)
        else:
            await self._asynchronous(**options)

    async def _asynchronous(self, **options: Any) -> None:
        answer = await self._async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES, **options)
        if options.get("stream"):
            async for _chunk in answer:
                pass


def measure(name: str, url: str, calls: int) -> dict[str, float]:
    """Give what the contender adds, in microseconds."""
    provider = set_provider(url)
    made = Calls(url, name)
    on, off = (lambda: None, lambda: None) if name == "bare span" else switch(name)

    def turn(is_on: bool) -> None:
        made.is_on = is_on
        (on if is_on else off)()

    async def run() -> dict[str, float]:
        async def sync(**options: Any) -> None:
            made.sync(**options)

        added: dict[str, float] = {}
        for kind, call in (("sync", sync), ("async", made.asynchronous)):
            added[f"{kind} wall"], added[f"{kind} cpu"] = await added_by(call, turn, calls, provider)
            streams = [
                (await added_by(call, turn, calls // 4, provider, stream=True, user=str(chunks)))[1]
                for chunks in (SHORT_CHUNKS, LONG_CHUNKS)
            ]
            added[f"{kind} chunk"] = (streams[1] - streams[0]) / (LONG_CHUNKS - SHORT_CHUNKS)
        return added

    return asyncio.run(run())


async def added_by(
    call: Callable[..., Awaitable[None]], turn: Callable[[bool], None], calls: int, provider: Any, **options: Any
) -> tuple[float, float]:
    """Give the medians of the added wall and CPU time of a call, in microseconds.

    Blocks without and with the contender take turns and are compared in pairs: what else the machine does meets both.
    """

    async def block(is_on: bool) -> tuple[float, float]:
        turn(is_on)
        await call(**options)
        wall = []
        cpu_before = time.process_time()
        for _ in range(BLOCK_CALLS):
            before = time.perf_counter()
            await call(**options)
            wall.append(time.perf_counter() - before)
        # What the block has to export is a part of its price.
        provider.force_flush()
        return statistics.median(wall), (time.process_time() - cpu_before) / BLOCK_CALLS

    pairs = [(await block(False), await block(True)) for _ in range(max(4, calls // BLOCK_CALLS))]
    turn(False)
    wall_s = statistics.median(on[0] - off[0] for off, on in pairs)
    return wall_s * 1e6, statistics.median(on[1] - off[1] for off, on in pairs) * 1e6


IMPORT_PROBE = """
import os, time
{base}
def resident_mb():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
memory, started = resident_mb(), time.perf_counter()
{switch_on}
print((time.perf_counter() - started) * 1e3, resident_mb() - memory)
"""


def measure_import(switch_on: str) -> tuple[float, float]:
    """Give the medians of milliseconds and megabytes that switching on takes in a fresh process."""
    program = IMPORT_PROBE.format(base=BASE_IMPORTS, switch_on=switch_on)
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(IMPORTS)
    ]
    milliseconds, megabytes = zip(*runs, strict=True)
    return statistics.median(map(float, milliseconds)), statistics.median(map(float, megabytes))


def is_installed(module: str) -> bool:
    """Whether a contender is here."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main(calls: int) -> None:
    """Print a line a contender."""
    columns = ("sync wall/cpu us", "async wall/cpu us", "chunk sync/async us", "import ms", "MB")
    print(f"{'added by':14}" + "".join(f"{column:>21}" for column in columns))
    with serving() as url:
        for name, (module, switch_on) in CONTENDERS.items():
            if not is_installed(module):
                print(f"{name:14} left out: {module} is not installed (dependency group `bench`)")
                continue
            command = [sys.executable, __file__, "--contender", name, url, str(calls)]
            # What a contender logs, or warns of, is not what it is asked for.
            done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=True, text=True)
            added = json.loads(done.stdout.splitlines()[-1])
            milliseconds, megabytes = measure_import(switch_on)
            cells = (
                f"{added['sync wall']:.0f} / {added['sync cpu']:.0f}",
                f"{added['async wall']:.0f} / {added['async cpu']:.0f}",
                f"{added['sync chunk']:.1f} / {added['async chunk']:.1f}",
                f"{milliseconds:.0f}",
                f"{megabytes:.1f}",
            )
            print(f"{name:14}" + "".join(f"{cell:>21}" for cell in cells), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
