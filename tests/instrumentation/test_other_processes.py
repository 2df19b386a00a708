"""Who a call is for, beyond the process: into it by a web request, out of it by a client that propagates."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import uvicorn
from opentelemetry import propagate, trace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import spanledger
from spanledger.incoming import INCOMING

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}


def ask_model() -> None:
    """Make a call to the model that answers anything."""
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json={"id": "x"}))
    with httpx2.Client(transport=transport) as client:
        client.post("https://api.openai.com/v1/chat/completions", json=ASK)


async def handle(request: Request) -> JSONResponse:
    """Make a call."""
    ask_model()
    return JSONResponse(dict(request.headers))


def headers_of_a_task() -> tuple[Any, dict[str, str]]:
    """Give a scope, and what a client within it sends."""
    headers: dict[str, str] = {}
    with spanledger.task("Größe, 42", user="u=1;x") as scope:
        propagate.inject(headers)
    return scope.get_span_context(), headers


def assert_goes_on(spans: Any, scope: Any) -> None:
    """The only call is in the caller's trace, below its span, and for the caller's task and user."""
    (call,) = [span for span in spans.snapshot() if span["kind"] == "CLIENT"]
    assert (call["trace"], call["parent"]) == (scope.trace_id, scope.span_id)
    assert call["attributes"]["spanledger.task"] == "Größe, 42"
    assert call["attributes"]["spanledger.user"] == "u=1;x"


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
    """A call in the handler of an ASGI application is in the caller's trace, for the caller's task and user."""
    scope, headers = headers_of_a_task()
    httpx.get(web_app, headers=headers).raise_for_status()
    assert_goes_on(spans, scope)


async def test_a_request_to_aiohttp_goes_on_too(spans):
    """The same in a handler of aiohttp's server."""
    aiohttp = pytest.importorskip("aiohttp")
    from aiohttp import web

    async def answer(_request: Any) -> Any:
        ask_model()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scope, headers = headers_of_a_task()
    async with (
        aiohttp.ClientSession() as session,
        session.get(site.name.replace(":0", f":{runner.addresses[0][1]}"), headers=headers) as got,
    ):
        assert got.status == 200
    await runner.cleanup()
    assert_goes_on(spans, scope)


def test_a_request_to_a_wsgi_application_goes_on_too(spans, monkeypatch):
    """The same in an application of Flask's, here by a class in its place: the hook sees what WSGI says."""

    class Flask:
        def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            ask_model()
            return [b"done"]

    module = ModuleType("flask.app")
    module.Flask = Flask  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flask.app", module)
    INCOMING.start()
    scope, headers = headers_of_a_task()
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    assert Flask()({**environ, "wsgi.version": (1, 0)}, None) == [b"done"]
    assert_goes_on(spans, scope)
    INCOMING.stop()
    assert "__wrapped__" not in dir(vars(Flask)["__call__"])
    INCOMING.start()


def test_a_web_instrumentor_goes_first(web_app, spans, monkeypatch):
    """Where OpenTelemetry's own is loaded, requests are its business: the trace is not entered twice."""
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asgi", ModuleType("asgi"))
    _scope, headers = headers_of_a_task()
    httpx.get(web_app, headers=headers).raise_for_status()
    (call,) = [span for span in spans.snapshot() if span["kind"] == "CLIENT"]
    assert call["parent"] is None


@pytest.mark.parametrize("headers", [{}, {"traceparent": "half", "baggage": "=,;"}], ids=["none", "broken"])
def test_requests_without_a_trace_begin_their_own(headers, web_app, spans):
    """Headers that say nothing leave the call a trace of its own, and the request its answer."""
    httpx.get(web_app, headers=headers).raise_for_status()
    (call,) = [span for span in spans.snapshot() if span["kind"] == "CLIENT"]
    assert call["parent"] is None
    assert "spanledger.task" not in call["attributes"]


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
