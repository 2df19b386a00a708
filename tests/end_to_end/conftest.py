"""Real processes: ``spanledger serve`` on free ports, and apps that use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SPANLEDGER = [sys.executable, "-m", "spanledger_collector"]
CORPUS = Path(__file__).parents[1] / "corpus"
START_TIMEOUT_S = 60
FREE_PORTS = [part for flag in ("--otlp-grpc", "--otlp-http", "--api") for part in (flag, "127.0.0.1:0")]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings of spanledger's or OpenTelemetry's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPANLEDGER_", "OTEL_", "OPENAI_", "ANTHROPIC_"))}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", **extra}


def run(*arguments: str | Path, timeout_s: float = 120, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a ``spanledger`` command to its end."""
    command = [*SPANLEDGER, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, input=stdin, timeout=timeout_s, env=environment())


@dataclass
class Serving:
    """A collector process and where it listens."""

    process: subprocess.Popen[str]
    data: Path
    grpc: str
    http: str
    api: str

    def stop(self) -> int:
        """Send SIGTERM and wait for the end; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts collectors; those still running at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(
        data: Path | None = None,
        extra: Sequence[str | Path] = (),
        program: Sequence[str] = SPANLEDGER,
        **settings: str,
    ) -> Serving:
        directory = data or tmp_path / "data"
        process = subprocess.Popen(
            [*program, "serve", "--data", str(directory), *FREE_PORTS, *map(str, extra)],
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "serve.log").open("a"),
            text=True,
            env=environment(PYTHONUNBUFFERED="1", **{f"SPANLEDGER_{k.upper()}": v for k, v in settings.items()}),
        )
        started.append(process)
        assert process.stdout is not None
        addresses: dict[str, str] = {}
        deadline = time.monotonic() + START_TIMEOUT_S
        while "data" not in addresses and time.monotonic() < deadline:
            line = process.stdout.readline()
            assert line, (tmp_path / "serve.log").read_text()
            name, _, value = line.strip().partition("  ")
            addresses[name] = value.strip()
        return Serving(process, directory, addresses["OTLP/gRPC"], addresses["OTLP/HTTP"], addresses["page, API"])

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
