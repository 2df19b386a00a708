"""Programs that run as processes of their own, and what arrives from them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Arrived:
    """A span that arrived, and the process that it says it is from."""

    name: str
    service: str
    instance: str
    attributes: dict[str, str]


@pytest.fixture
def arrived(provider: Any) -> Callable[[], list[Arrived]]:
    """Read the spans that the stand-in, as a collector, has got."""
    provider.will_answer(b"", content_type="application/x-protobuf")

    def read() -> list[Arrived]:
        found = []
        for request in provider.requests:
            packed = {name.lower(): value for name, value in request["headers"].items()}.get("content-encoding")
            body = gzip.decompress(request["body"]) if packed == "gzip" else request["body"]
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                said = {item.key: item.value.string_value for item in sent.resource.attributes}
                found += [
                    Arrived(
                        span.name,
                        said["service.name"],
                        said["service.instance.id"],
                        {item.key: item.value.string_value for item in span.attributes},
                    )
                    for scope in sent.scope_spans
                    for span in scope.spans
                ]
        return found

    return read


@pytest.fixture
def run_program(tmp_path: Path, provider: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a folder with `my_agent.py`, its spans going to the stand-in."""

    def run(program: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "my_agent.py"
        script.write_text(textwrap.dedent(program))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        # As in an activated environment, whichever way pytest was started.
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        return subprocess.run(
            command or (sys.executable, str(script)),
            env={**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": provider.url, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
