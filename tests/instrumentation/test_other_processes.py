"""Who a call is for, beyond the process: into it by a web request, out of it by a client that propagates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
import uvicorn
from opentelemetry import context, propagate, trace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import spanledger

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}


async def handle(request: Request) -> JSONResponse:
    """Do what every web instrumentor does, and make a call: to the model that answers anything."""
    token = context.attach(propagate.extract(request.headers))
    try:
        transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json={"id": "x"}))
        async with httpx2.AsyncClient(transport=transport) as client:
            await client.post("https://api.openai.com/v1/chat/completions", json=ASK)
        return JSONResponse(dict(request.headers))
    finally:
        context.detach(token)


@pytest.fixture
def web_app() -> Iterator[str]:
    """A running web application."""
    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    (listening,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_an_incoming_request_goes_on_with_trace_and_task(web_app, spans):
    """A call in the handler is in the caller's trace, below its span, and for the caller's task and user."""
    headers: dict[str, str] = {}
    with spanledger.task("Größe, 42", user="u=1;x") as scope:
        propagate.inject(headers)
    httpx.get(web_app, headers=headers).raise_for_status()
    (call,) = [span for span in spans.snapshot() if span["kind"] == "CLIENT"]
    assert call["trace"] == scope.get_span_context().trace_id
    assert call["parent"] == scope.get_span_context().span_id
    assert call["attributes"]["spanledger.task"] == "Größe, 42"
    assert call["attributes"]["spanledger.user"] == "u=1;x"


def test_an_instrumented_client_takes_identity_to_other_processes(web_app, spans):
    """With OpenTelemetry's own instrumentor of httpx, the next service gets trace and baggage."""
    instrumentor = pytest.importorskip("opentelemetry.instrumentation.httpx").HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)
    try:
        with spanledger.task("T-1", team="platform"):
            got: dict[str, Any] = httpx.get(web_app).json()
    finally:
        instrumentor.uninstrument()
    assert got["baggage"] == "spanledger.task=T-1,spanledger.team=platform"
    (call,) = [span for span in spans.snapshot() if span["name"].startswith("chat")]
    assert trace.format_trace_id(call["trace"]) == got["traceparent"].split("-")[1]
    assert call["attributes"]["spanledger.team"] == "platform"
