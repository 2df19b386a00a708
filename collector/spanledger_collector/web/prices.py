"""What the API lets an operator change: the prices.

::

    POST /api/prices/status   {}                             what new calls are priced by
    POST /api/prices/reload   {"yes": false}                 price new calls by what the files have now
    POST /api/prices/plan     {"since", "until", "yes"}      what a re-pricing would change
    POST /api/prices/reprice  {"since", "until", "yes"}      re-price, and price new calls by the same
    POST /api/prices/undo     {"repricing_id"}               take a re-pricing back

Only from this machine where no tokens are set, else with one that may manage and is of no team: prices are everybody's.
Only as ``application/json``, which no page of another site can send unasked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spanledger_collector.access import EVERYONE, ForbiddenError, Grant
from spanledger_collector.errors import BadParameterError
from spanledger_collector.price.desk import PriceDesk
from spanledger_collector.price.leaps import Confirm, accept, refuse
from spanledger_collector.price.reprice import Interval
from spanledger_collector.query.run import instant

_EVER = ("1970-01-01T00:00:00Z", "2262-01-01T00:00:00Z")

Work = Callable[[PriceDesk, dict[str, Any]], Any]


def price_routes(desk: PriceDesk) -> list[Route]:
    """The routes above, on ``desk``."""
    return [
        Route(f"/api/prices/{name}", partial(_answer, desk, work), methods=["POST"]) for name, work in _WORKS.items()
    ]


def interval(since: str | None, until: str | None) -> Interval:
    """An interval from times as a user writes them; None is without bound.

    Raises:
        BadParameterError: one is no time, or they are the wrong way round.
    """
    now = datetime.now(UTC)
    try:
        found = Interval(instant(since or _EVER[0], now), instant(until or _EVER[1], now))
    except (ValueError, OverflowError) as reason:
        raise BadParameterError(f"since or until: {reason}") from None
    if found.since >= found.until:
        raise BadParameterError(f"since ({found.since}) is not before until ({found.until})")
    return found


def plain(result: Any) -> Any:
    """A dataclass, or a list of them, as JSON can hold it; money as text."""
    if isinstance(result, list):
        return [plain(each) for each in result]
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in asdict(result).items()}


async def _answer(desk: PriceDesk, work: Work, request: Request) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send application/json")
    grant: Grant = getattr(request.state, "grant", EVERYONE)
    if grant.team:
        raise ForbiddenError("this token is of one team; prices are everybody's")
    if grant is EVERYONE and not (request.client and ipaddress.ip_address(request.client.host).is_loopback):
        raise ForbiddenError("without tokens, prices can be changed from this machine alone")
    try:
        body = await request.json()
    except ValueError:
        raise BadParameterError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadParameterError("the body is no JSON object")
    return JSONResponse(plain(await run_sync(work, desk, body)))


def _confirm(body: dict[str, Any]) -> Confirm:
    return accept if body.get("yes") is True else refuse


def _interval(body: dict[str, Any]) -> Interval:
    return interval(*(str(body[name]) if body.get(name) else None for name in ("since", "until")))


def _repricing_id(body: dict[str, Any]) -> int:
    try:
        return int(body["repricing_id"])
    except (KeyError, TypeError, ValueError):
        raise BadParameterError("repricing_id must be the number of a re-pricing") from None


_WORKS: dict[str, Work] = {
    "status": lambda desk, body: desk.status(),
    "reload": lambda desk, body: desk.reload(_confirm(body)),
    "plan": lambda desk, body: desk.plan(_interval(body), _confirm(body)),
    "reprice": lambda desk, body: desk.reprice(_interval(body), _confirm(body)),
    "undo": lambda desk, body: desk.undo(_repricing_id(body)),
}
