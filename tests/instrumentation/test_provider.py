"""The provider that spanledger sets where there is none: names, addresses, and a collector that is not there."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROGRAM = """
import spanledger.auto
import spanledger
with spanledger.task("T-1"):
    pass
print("the application ends")
"""


def run_app(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an application, `my_agent.py`, that has one task and ends."""
    script = folder / "my_agent.py"
    script.write_text(textwrap.dedent(PROGRAM))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, str(script)]
    return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, timeout=60, check=False)


def received(provider) -> list[tuple[str, str, str]]:
    """Give path, service name and span name of each span that arrived."""
    found = []
    for request in provider.requests:
        packed = {name.lower(): value for name, value in request["headers"].items()}.get("content-encoding")
        body = gzip.decompress(request["body"]) if packed == "gzip" else request["body"]
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = {item.key: item.value.string_value for item in sent.resource.attributes}
            assert resource["service.instance.id"]
            found += [
                (request["path"], resource["service.name"], span.name)
                for scope in sent.scope_spans
                for span in scope.spans
            ]
    return found


@pytest.mark.parametrize(
    ("environment", "service"),
    [
        ({}, "my_agent"),
        ({"OTEL_SERVICE_NAME": "billing"}, "billing"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop"}, "shop"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "my_agent"),
    ],
)
def test_the_last_spans_of_a_short_script_arrive(environment, service, provider, tmp_path):
    """A script that ends at once has sent its span, under its own name or the one that OTEL_* gives it."""
    provider.will_answer(b"", content_type="application/x-protobuf")
    done = run_app(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=provider.url, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the application ends\n", "")
    assert received(provider) == [("/v1/traces", service, "invoke_workflow")]


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_SAMPLER": "always_off"},
    ],
)
def test_tracing_can_be_switched_off_by_environment(environment, provider, tmp_path):
    """Where OTEL_* asks for no traces, none leave."""
    provider.will_answer(b"")
    done = run_app(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=provider.url, **environment)
    assert (done.returncode, done.stderr, provider.requests) == (0, "", [])


def test_another_exporter_can_be_named(tmp_path):
    """OTEL_TRACES_EXPORTER=console prints spans, as with any OpenTelemetry program."""
    done = run_app(tmp_path, OTEL_TRACES_EXPORTER="console")
    assert '"name": "invoke_workflow"' in done.stdout


def test_an_exporter_that_is_not_installed_is_said(tmp_path):
    """An unknown exporter is a warning that names it, not an error."""
    done = run_app(tmp_path, OTEL_TRACES_EXPORTER="pigeon")
    assert (done.returncode, done.stdout) == (0, "the application ends\n")
    assert "no exporter 'pigeon' is installed" in done.stderr


def test_a_collector_that_is_down_is_said_once(tmp_path):
    """Nobody at the endpoint: the application ends well, with one line that says where and what to do."""
    done = run_app(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (0, "the application ends\n")
    assert done.stderr.splitlines() == [
        "no collector takes spans at http://127.0.0.1:1/v1/traces; they are dropped until one does. Start one with "
        "`spanledger serve`, or name another with OTEL_EXPORTER_OTLP_ENDPOINT. The application is not affected."
    ]


def test_a_collector_that_hangs_does_not_hold_the_application(provider, tmp_path):
    """A collector that takes the request and never answers is left behind when the application ends."""
    provider.will_stream([threading.Event()])
    done = run_app(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=provider.url, OTEL_EXPORTER_OTLP_TIMEOUT="1000")
    assert (done.returncode, done.stdout) == (0, "the application ends\n")
    assert len(provider.requests) == 1


def test_an_application_with_a_provider_of_its_own_imports_no_exporter(tmp_path):
    """What sending needs is imported only where spanledger sends."""
    script = tmp_path / "app.py"
    script.write_text(
        "import sys\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "import spanledger.auto\n"
        "print([name for name in sys.modules if name in ('requests', 'urllib3', 'opentelemetry.exporter.otlp')])\n"
        "print('spanledger.wire.attempt' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\nTrue\n", "")
