"""Web requests that come in: what is done for one belongs to the trace, the task and the user that its headers name.

Source: W3C Trace Context and Baggage, or whatever the application's propagators are. No span is made of the request.
Where OpenTelemetry's instrumentors of web frameworks are loaded, they do this, and nothing is done here.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Token
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import get_current_span

from spanledger.guard import guarded
from spanledger.patching import Hook, Patch, Patching

INSTRUMENTORS = tuple(f"opentelemetry.instrumentation.{name}" for name in ("asgi", "wsgi", "aiohttp_server", "tornado"))
"""Their instrumentors of single frameworks stand on these."""

ASGI = {"starlette.applications": "Starlette.__call__", "django.core.handlers.asgi": "ASGIHandler.__call__"}
"""Applications of FastAPI are Starlette's."""
WSGI = {"flask.app": "Flask.__call__", "django.core.handlers.wsgi": "WSGIHandler.__call__"}
AIOHTTP = {"aiohttp.web_app": "Application._handle"}

Begin = Callable[..., Token[Context] | None]


def _async_hook(begin: Begin) -> Hook:
    async def hook(application: Callable[..., Awaitable[Any]], _app: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        token = begin(*args, **kwargs)
        try:
            return await application(*args, **kwargs)
        finally:
            _end(token)

    return hook


def _sync_hook(begin: Begin) -> Hook:
    def hook(application: Callable[..., Any], _app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        token = begin(*args, **kwargs)
        try:
            return application(*args, **kwargs)
        finally:
            _end(token)

    return hook


@guarded
def _begin_asgi(scope: Mapping[str, Any], *_channels: Any, **_named: Any) -> Token[Context] | None:
    if scope["type"] not in ("http", "websocket"):
        return None
    return _begin({name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]})


@guarded
def _begin_wsgi(environ: Mapping[str, Any], *_response: Any, **_named: Any) -> Token[Context] | None:
    return _begin(
        {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    )


@guarded
def _begin_aiohttp(request: Any) -> Token[Context] | None:
    return _begin({name.lower(): value for name, value in request.headers.items()})


def _begin(headers: dict[str, str]) -> Token[Context] | None:
    """Attach what the headers say, unless somebody else's span of the request is here, or will be."""
    if get_current_span().get_span_context().is_valid or any(name in sys.modules for name in INSTRUMENTORS):
        return None
    # Not before it is needed: importing it looks through what is installed.
    from opentelemetry import propagate

    context = propagate.extract(headers)
    return attach(context) if context else None


@guarded
def _end(token: Token[Context] | None) -> None:
    if token is not None:
        detach(token)


INCOMING = Patching(
    [
        Patch(module, target, hook)
        for targets, hook in (
            (ASGI, _async_hook(_begin_asgi)),
            (WSGI, _sync_hook(_begin_wsgi)),
            (AIOHTTP, _async_hook(_begin_aiohttp)),
        )
        for module, target in targets.items()
    ]
)
