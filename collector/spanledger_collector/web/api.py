"""The HTTP API: the question library, the page, health and metrics. It takes names and values, never SQL.

::

    GET /                     the page                 GET /healthz   the process is alive
    GET /api/queries          every question           GET /readyz    200, or 503 where health says not ready
    GET /api/queries/{name}   one answer               GET /metrics   Prometheus exposition
    GET /api/status           rows, bytes, what waits
    GET /charts/{name}        the charting library of the page
    POST /api/prices/{what}   change prices, from this machine alone: see ``prices``

An answer takes the question's parameters from the query string, and ``format=json|jsonl|csv``. An error is
``{"error": text}`` with 404 (no such question), 400 (a parameter), 401 and 403 (the token) or 503 (the store did not
answer).
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spanledger_collector.access import Access, ForbiddenError
from spanledger_collector.errors import BadInputError, BadParameterError, RetryableError, UnknownQueryError
from spanledger_collector.price.desk import PriceDesk
from spanledger_collector.query.library import Query, find, load
from spanledger_collector.query.ports import Asker, Store
from spanledger_collector.query.render import render
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.web.charts import chart_route
from spanledger_collector.web.guard import Guard, narrowed
from spanledger_collector.web.headers import SecurityHeaders
from spanledger_collector.web.prices import price_routes

MEDIA_TYPES = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv"}
_CONCURRENT_ANSWERS = 4
"""Questions that may occupy the store at one time; the others wait their turn without holding a thread."""
_CLIENT_CLOSED_REQUEST = 499
"""As nginx has it: nobody gets to see this status."""


def create_app(
    store: Store,
    *,
    health: Callable[[], Mapping[str, Any]],
    registry: CollectorRegistry = REGISTRY,
    access: Access | None = None,
    desk: PriceDesk | None = None,
    status: Callable[[], Mapping[str, Any]] | None = None,
    for_this_machine: bool = False,
) -> Starlette:
    """The API on ``store``.

    ``health`` tells the state of the collector as JSON; ``"ready": true`` in it makes ``/readyz`` answer 200.
    ``registry`` holds what ``/metrics`` exposes. ``access`` says who may ask; everyone where it is not given.
    Without a ``desk`` prices cannot be changed. ``status`` tells how much there is, for ``/api/status``.
    ``for_this_machine``: it is reached over loopback only; see ``guard``.
    """
    asker = StoreAsker(store)
    limiter = CapacityLimiter(_CONCURRENT_ANSWERS)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        state = await run_sync(health)
        return JSONResponse(state, status_code=200 if state.get("ready") else 503)

    async def metrics(_: Request) -> Response:
        exposition = await run_sync(generate_latest, registry)
        return Response(exposition, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def how_much(_: Request) -> Response:
        return JSONResponse(await run_sync(status, limiter=limiter) if status else None)

    async def catalogue(_: Request) -> Response:
        return JSONResponse([describe(query) for query in load().values()])

    async def answer(request: Request) -> Response:
        texts = narrowed(request, request.query_params)
        form = texts.pop("format", "json")
        if form not in MEDIA_TYPES:
            raise BadParameterError(f"there is no format {form!r} here; there are: {', '.join(MEDIA_TYPES)}")
        work = functools.partial(_answer, asker, request.path_params["name"], texts, form)
        async with limiter:
            # A reader who went on while the question waited for its turn needs no answer.
            if await request.is_disconnected():
                return Response(status_code=_CLIENT_CLOSED_REQUEST)
            return Response(await run_sync(work), media_type=MEDIA_TYPES[form])

    static = resources.files("spanledger_collector.web") / "static"
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/api/queries", catalogue),
            Route("/api/queries/{name}", answer),
            *(price_routes(desk) if desk else ()),
            *((Route("/api/status", how_much),) if status else ()),
            chart_route,
            Mount("/", StaticFiles(directory=str(static), html=True)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guard, access=access or Access(), for_this_machine=for_this_machine),
        ],
        exception_handlers={
            UnknownQueryError: _not_found,
            BadParameterError: _bad_request,
            BadInputError: _bad_request,
            ForbiddenError: _forbidden,
            RetryableError: _try_again,
            HTTPException: _refused,
            Exception: _unexpected,
        },
    )


def describe(query: Query) -> dict[str, Any]:
    """What ``/api/queries`` says of a question: its header, without the statement."""
    return {key: value for key, value in asdict(query).items() if key != "sql"}


def _answer(asker: Asker, name: str, texts: Mapping[str, str], form: str) -> str:
    body = io.StringIO()
    render(find(name), asker.ask(name, texts), form, body)
    return body.getvalue()


async def _not_found(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=404)


async def _bad_request(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def _forbidden(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=403)


async def _try_again(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "1"})


async def _refused(_: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _unexpected(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the collector failed; its log says why"}, status_code=500)
