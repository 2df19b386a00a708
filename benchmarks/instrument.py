"""What tracing adds to a call of the OpenAI SDK: ours beside the other instrumentors, over the bare SDK, in one run.

    python benchmarks/instrument.py [ROUNDS]

Each contender has a process of its own, switched on as an application would and never off, and all talk to one provider
that answers from memory; spans leave by OTLP over HTTP for a collector that takes them all. All get the same tracer
provider, of OpenTelemetry's SDK with its exporter; spanledger runs a second time with the provider that it makes where
the application has none.

A round is one block of calls by each in turn, beginning with another one each time, so that what else the machine does
meets all alike. What a contender adds is the median, over the rounds, of its difference to the bare SDK in the same
round. One third and two thirds through, the processes begin anew, as it counts, too, where things happen to lie in
memory. The bare SDK runs twice: what the second adds to the first is what noise is left.

CPU is that of the whole process, and includes the export of the spans in batches of some hundred. Importing is measured
over the SDK, OpenTelemetry's SDK and its exporter. A contender that is not installed is left out, and said.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chat_server import LONG_CHUNKS, SHORT_CHUNKS, serving
from contender import BLOCKS

ROUNDS = 30
ROUNDS_AN_EXPORT = 5
GENERATIONS = 3
IMPORTS = 3
MODES = ("sync", "async")
CALLS_A_BLOCK = sum(calls + 1 for calls, _options in BLOCKS.values())

OWN_PROVIDER = "spanledger alone"

CONTENDERS = {
    "bare SDK": ("openai", ""),
    "bare SDK again": ("openai", ""),
    "bare span": ("opentelemetry-sdk", "bare span"),
    "spanledger": ("spanledger", "import spanledger.auto"),
    OWN_PROVIDER: ("spanledger", "import spanledger.auto"),
    **{
        name: (package, f"import {module} as it; it.OpenAIInstrumentor().instrument()")
        for name, package, module in (
            (
                "genai-openai",
                "opentelemetry-instrumentation-genai-openai",
                "opentelemetry.instrumentation.genai.openai",
            ),
            ("OpenInference", "openinference-instrumentation-openai", "openinference.instrumentation.openai"),
            ("Traceloop", "opentelemetry-instrumentation-openai", "opentelemetry.instrumentation.openai"),
        )
    },
}
"""A name, the package that must be there, and what an application does to switch it on."""

Figures = dict[str, list[float]]
"""Microseconds, one a round: ``<mode> <kind> wall``, ``... cpu``, ``<mode> chunk`` and ``export`` (a call)."""


class Contender:
    """The process of one contender, asked by a line, answering by a line."""

    def __init__(self, name: str, url: str, stack: ExitStack) -> None:
        script = str(Path(__file__).with_name("contender.py"))
        provider = "own" if name == OWN_PROVIDER else "given"
        command = [sys.executable, script, url, provider, CONTENDERS[name][1]]
        # What a contender logs, or warns of, is not what it is asked for.
        self._process: Any = stack.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
        stack.callback(self._process.stdin.close)

    def ask(self, what: str) -> Any:
        """Give what it answers."""
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def measure(names: list[str], url: str, rounds: int) -> dict[str, Figures]:
    """Give what a call takes with each contender, round by round."""
    figures: dict[str, Figures] = {name: defaultdict(list) for name in names}
    for _generation in range(GENERATIONS):
        with ExitStack() as stack:
            contenders = {name: Contender(name, url, stack) for name in names}
            for contender in contenders.values():
                for what in (*MODES, "export"):
                    contender.ask(what)
            for number in range(rounds // GENERATIONS):
                for mode in MODES:
                    first = number % len(names)
                    for name in (*names[first:], *names[:first]):
                        note(figures[name], mode, contenders[name].ask(mode))
                if number % ROUNDS_AN_EXPORT == ROUNDS_AN_EXPORT - 1:
                    calls = ROUNDS_AN_EXPORT * len(MODES) * CALLS_A_BLOCK
                    for name, contender in contenders.items():
                        figures[name]["export"].append(contender.ask("export") / calls)
    return figures


def note(figures: Figures, mode: str, measured: dict[str, tuple[float, float]]) -> None:
    """Add one block to the figures."""
    for kind, (wall, cpu) in measured.items():
        figures[f"{mode} {kind} wall"].append(wall)
        figures[f"{mode} {kind} cpu"].append(cpu)
    chunks_us = measured["long"][1] - measured["short"][1]
    figures[f"{mode} chunk"].append(chunks_us / (LONG_CHUNKS - SHORT_CHUNKS))


def added(figures: Figures, bare: Figures, figure: str) -> float:
    """Give what a contender adds to the bare SDK; the export is a part of the CPU time."""
    pairs = zip(figures[figure], bare[figure], strict=True)
    difference = statistics.median(with_it - without for with_it, without in pairs)
    return difference + (added(figures, bare, "export") if figure.endswith("cpu") else 0.0)


IMPORT_PROBE = """
import os, time
import openai, opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter
def resident_mb():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
{provider}
memory, started = resident_mb(), time.process_time()
{switch_on}
print((time.process_time() - started) * 1e3, resident_mb() - memory)
"""


def measure_imports(names: list[str]) -> dict[str, tuple[float, float]]:
    """Give the medians of the milliseconds of CPU and the megabytes that switching on takes in a fresh process."""
    runs: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for _ in range(IMPORTS):
        for name in names:
            switch_on = "" if name == "bare span" else CONTENDERS[name][1]
            provider = "" if name == OWN_PROVIDER else "trace.set_tracer_provider(TracerProvider())"
            command = [sys.executable, "-c", IMPORT_PROBE.format(provider=provider, switch_on=switch_on)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs[name].append(tuple(map(float, done.stdout.split())))
    return {
        name: (statistics.median(ms for ms, _mb in measured), statistics.median(mb for _ms, mb in measured))
        for name, measured in runs.items()
    }


def row(figures: Figures, bare: Figures, imports: tuple[float, float]) -> list[str]:
    """Give the cells of a contender."""

    def pair(kind: str, mode: str) -> str:
        return " / ".join(f"{added(figures, bare, f'{mode} {kind} {clock}'):.0f}" for clock in ("wall", "cpu"))

    calls = [pair(kind, mode) for kind in ("plain", "short") for mode in MODES]
    chunks = " / ".join(f"{added(figures, bare, f'{mode} chunk'):.1f}" for mode in MODES)
    return [*calls, chunks, f"{imports[0]:.0f}", f"{imports[1]:.1f}"]


def is_installed(name: str) -> bool:
    """Whether a contender is here; said, if not."""
    package = CONTENDERS[name][0]
    try:
        version(package)
    except PackageNotFoundError:
        print(f"{name} is left out: {package} is not installed (dependency group `bench`)")
        return False
    return True


def main(rounds: int) -> None:
    """Print a line a contender."""
    names = [name for name in CONTENDERS if is_installed(name)]
    with serving() as url:
        figures = measure(names, url, rounds)
    imports = measure_imports(names)
    bare = figures["bare SDK"]
    taken = {figure: statistics.median(values) for figure, values in bare.items()}
    print(
        f"the bare SDK takes {taken['sync plain cpu']:.0f} us of CPU a call, {taken['async plain cpu']:.0f} async, "
        f"{taken['sync chunk']:.0f} / {taken['async chunk']:.0f} a streamed chunk; with it, this is added:"
    )
    columns = [
        "plain wall/cpu us",
        "async",
        f"stream of {SHORT_CHUNKS}",
        "async",
        "chunk cpu us",
        "import cpu ms",
        "MB",
    ]
    print(" " * 16 + "".join(f"{column:>18}" for column in columns))
    for name in names[1:]:
        print(f"{name:16}" + "".join(f"{cell:>18}" for cell in row(figures[name], bare, imports[name])), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
