"""Two real collectors: one in the middle of a pipeline, and the back end behind it."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import CORPUS, Serving, run

SECRET = "hunter2"


def asked(url: str) -> Any:
    """What an address answers, as JSON."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def costs_by_call(serving: Serving) -> dict[str, Any]:
    """The ledger of a running collector."""
    rows = asked(f"{serving.api}/api/queries/calls?since=3650d")
    return {row["call_id"]: row["cost_usd"] for row in rows}


def waiting(serving: Serving) -> int:
    """How many requests wait for the target."""
    found: int = asked(f"{serving.api}/api/status")["forward"]["requests"]
    return found


def send(serving: Serving, name: str) -> None:
    """Send what an emitter of the corpus sent."""
    body = (CORPUS / name / "traces-001.bin").read_bytes()
    headers = {"content-type": "application/x-protobuf"}
    urllib.request.urlopen(urllib.request.Request(f"{serving.http}/v1/traces", body, headers), timeout=60).close()


def lasting_port() -> int:
    """A free port that no other process is given by chance while nobody listens on it: below those of the system."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


def wait_until_sent(serving: Serving) -> None:
    """Until nothing waits."""
    deadline = time.monotonic() + 60
    while waiting(serving):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_collector_behind_has_what_the_one_in_front_has(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """Over gRPC; killed while the target is away, the one in front sends the rest after its next start.

    It has a receiver, which knows what is to be forwarded.
    """
    behind = serve(tmp_path / "behind", ("--otlp-grpc", f"127.0.0.1:{lasting_port()}"))
    address = f"grpc://{behind.grpc}"
    headers = json.dumps({"x-key": SECRET})
    front = serve(tmp_path / "front", ("--forward", address), forward__headers=headers, receivers="1")
    send(front, "genai_openai")
    assert len(costs_by_call(front)) == 2
    wait_until_sent(front)
    assert costs_by_call(behind) == costs_by_call(front)

    assert behind.stop() == 0
    send(front, "strands")
    assert len(costs_by_call(front)) > 2
    assert waiting(front)
    front.process.kill()
    front.process.wait()
    again = serve(tmp_path / "behind", ("--otlp-grpc", behind.grpc), receivers="1")
    front = serve(tmp_path / "front", ("--forward", address), forward__headers=headers, receivers="1")
    wait_until_sent(front)
    assert costs_by_call(again) == costs_by_call(front)
    assert front.stop() == 0
    assert SECRET not in (tmp_path / "serve.log").read_text()


def test_forwarding_to_oneself_ends_the_start_with_a_clear_error(tmp_path: Path) -> None:
    """Before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ("--otlp-http", f"127.0.0.1:{port}", "--otlp-grpc", "127.0.0.1:0", "--api", "127.0.0.1:0")
    ended = run("serve", "--data", tmp_path, *flags, "--forward", f"http://localhost:{port}")
    assert ended.returncode == 1
    assert b"forward.url leads to" in ended.stderr
    assert b"Traceback" not in ended.stderr
