"""The one import, as a program meets it: each test is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

PREAMBLE = """
import json, sys
def say(**what): print(json.dumps(what))
"""


def run(program: str, **environment: str) -> tuple[dict[str, Any], str]:
    """Run a program that says one thing; give that and what it wrote to standard error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(program)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_plain_import_is_light():
    """`import spanledger` loads neither the collector nor grpc, the SDK, an exporter, an HTTP client or wrapt."""
    said, _ = run("import spanledger; say(modules=sorted(sys.modules))")
    heavy = ("spanledger_collector", "grpc", "opentelemetry.sdk", "opentelemetry.exporter")
    heavy += ("google", "requests", "httpx", "httpx2", "wrapt", "openai", "anthropic", "asyncio")
    assert [name for name in said["modules"] if name.startswith(heavy)] == []


def test_the_one_import_needs_no_collector_package():
    """`import spanledger.auto` loads neither the collector, nor grpc, nor an HTTP client that nobody asked for."""
    said, _ = run("import spanledger.auto; say(modules=sorted(sys.modules))", OTEL_TRACES_EXPORTER="none")
    heavy = ("spanledger_collector", "grpc", "httpx", "openai", "anthropic")
    assert [name for name in said["modules"] if name.startswith(heavy)] == []


@pytest.mark.parametrize("module", ["httpx", "httpx2"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_clients_are_watched_whenever_they_are_imported(module, order):
    """Imported before or after, once or twice: a client's `send` is wrapped once, and given back whole."""
    said, _ = run(
        f"""
        import importlib
        if {order!r} == "before": import {module}
        import spanledger, spanledger.auto
        import {module}
        importlib.reload(spanledger.auto)
        spanledger.instrument()
        sends = {module}.Client.__dict__["send"], {module}.AsyncClient.__dict__["send"]
        depth = [hasattr(send, "__wrapped__") + hasattr(send.__wrapped__, "__wrapped__") for send in sends]
        spanledger.uninstrument()
        left = {module}.Client.__dict__["send"], {module}.AsyncClient.__dict__["send"]
        spanledger.uninstrument()
        same = [send.__wrapped__ is now for send, now in zip(sends, left)]
        spanledger.instrument()
        again = hasattr({module}.Client.send, "__wrapped__")
        say(depth=depth, same=same, types=[type(now).__name__ for now in left], again=again)
        """,
        OTEL_TRACES_EXPORTER="none",
    )
    assert said == {"depth": [1, 1], "same": [True, True], "types": ["function", "function"], "again": True}


def test_httpx2_posing_as_httpx_is_watched_once():
    """When httpx2 is aliased to httpx, its classes are not wrapped twice."""
    said, _ = run(
        """
        import httpx2; httpx2.alias_httpx()
        import spanledger.auto
        import httpx
        say(same=httpx.Client is httpx2.Client, twice=hasattr(httpx.Client.send.__wrapped__, "__wrapped__"))
        """,
        OTEL_TRACES_EXPORTER="none",
    )
    assert said == {"same": True, "twice": False}


def test_uninstrumented_before_the_import_stays_so():
    """A client that is imported after `uninstrument()` is left alone; a wrapper of somebody else's stays."""
    said, _ = run(
        """
        import spanledger.auto, spanledger, wrapt, httpx2
        @wrapt.patch_function_wrapper(httpx2, "Client.send")
        def theirs(send, client, args, kwargs):
            return send(*args, **kwargs)
        theirs_before = httpx2.Client.__dict__["send"]
        spanledger.uninstrument()
        import httpx
        from spanledger.testing import RecordedSpans
        from spanledger import tracing
        spans = RecordedSpans(); tracing.use_provider(spans.provider)
        transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json={}))
        httpx2.Client(transport=transport).post("http://x/v1/embeddings", json={"input": "x"})
        say(httpx=hasattr(httpx.Client.send, "__wrapped__"), spans=spans.snapshot(),
            theirs=httpx2.Client.__dict__["send"] is theirs_before)
        """,
        OTEL_TRACES_EXPORTER="none",
    )
    assert said == {"httpx": False, "spans": [], "theirs": True}


def test_an_existing_provider_is_used():
    """A provider that the application set stays the global one, gets our spans, and stamps its own."""
    said, _ = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        memory, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(memory))
        trace.set_tracer_provider(provider)
        import spanledger, spanledger.auto
        spanledger.instrument()
        with spanledger.task("T-1"):
            trace.get_tracer("theirs").start_span("theirs").end()
        spanledger.uninstrument()
        with spanledger.task("T-1"):
            trace.get_tracer("theirs").start_span("unstamped").end()
        say(same=trace.get_tracer_provider() is provider,
            processors=len(provider._active_span_processor._span_processors),
            spans=[(s.name, s.instrumentation_scope.name, s.instrumentation_scope.version,
                    s.attributes.get("spanledger.task")) for s in memory.get_finished_spans()][:3],
            version=spanledger.__version__)
        """
    )
    assert said["same"] is True
    assert said["processors"] == 2
    assert said["spans"] == [
        ["theirs", "theirs", "", "T-1"],
        ["invoke_workflow", "spanledger", said["version"], "T-1"],
        ["unstamped", "theirs", "", None],
    ]


def test_a_provider_that_is_set_later_takes_over():
    """The application sets its own provider after the import: it is the global one, and ours is out of the way."""
    said, stderr = run(
        """
        import spanledger.auto, spanledger
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        memory, mine, another = InMemorySpanExporter(), TracerProvider(), TracerProvider()
        mine.add_span_processor(SimpleSpanProcessor(memory))
        trace.set_tracer_provider(mine)
        with spanledger.task("T-1"):
            trace.get_tracer("theirs").start_span("theirs").end()
        trace.set_tracer_provider(another)
        say(same=trace.get_tracer_provider() is mine,
            spans=[(s.name, s.attributes["spanledger.task"]) for s in memory.get_finished_spans()])
        """,
        OTEL_TRACES_EXPORTER="none",
    )
    assert said == {"same": True, "spans": [["theirs", "T-1"], ["invoke_workflow", "T-1"]]}
    # OpenTelemetry's own refusal, of the second of the application's.
    assert stderr.splitlines() == ["Overriding of current TracerProvider is not allowed"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_tool_runtimes_are_watched_whenever_they_are_imported(order, tmp_path):
    """Imported before or after, and until `uninstrument()`: a runtime's tools are spans, then its own again."""
    package = tmp_path / "smolagents"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tools.py").write_text("class Tool:\n    name, inputs = 'add', {}\n    def __call__(self): return 3\n")
    said, _ = run(
        f"""
        if {order!r} == "before": import smolagents.tools
        import spanledger, spanledger.auto
        import smolagents.tools
        wrapped = smolagents.tools.Tool.__dict__["__call__"]
        result = smolagents.tools.Tool()()
        spanledger.uninstrument()
        own = smolagents.tools.Tool.__dict__["__call__"]
        spanledger.instrument()
        again = hasattr(smolagents.tools.Tool.__dict__["__call__"], "__wrapped__")
        say(result=result, own=wrapped.__wrapped__ is own, type=type(own).__name__, again=again)
        """,
        OTEL_TRACES_EXPORTER="none",
        PYTHONPATH=str(tmp_path),
    )
    assert said == {"result": 3, "own": True, "type": "function", "again": True}
