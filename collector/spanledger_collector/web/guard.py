"""The API's door: a token where tokens are set, and no changes asked for by other sites' pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spanledger_collector.access import EVERYONE, Access, ForbiddenError, Grant, UnauthenticatedError, Use
from spanledger_collector.config import Address

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""A probe has no token, and these tell no figure of the ledger."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware. Who has no token gets 401, and a browser asks for one as the password of any name.

    ``for_this_machine`` says that nobody else is to ask: then requests that were sent to another name are refused.
    """

    def __init__(self, app: ASGIApp, access: Access, *, for_this_machine: bool = False) -> None:
        self._app = app
        self._access = access
        self._for_this_machine = for_this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its grant, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if self._for_this_machine and not self._access.closed:
                _refuse_other_names(headers)
            if scope["method"] not in _READING:
                _refuse_other_sites(headers)
            use: Use = "read" if scope["method"] in _READING else "manage"
            scope.setdefault("state", {})["grant"] = self._access.grant(headers.get("authorization", ""), use)
        except UnauthenticatedError as error:
            challenge = {"WWW-Authenticate": 'Basic realm="spanledger: any name, the token as password"'}
            await JSONResponse({"error": str(error)}, 401, challenge)(scope, receive, send)
        except ForbiddenError as error:
            await JSONResponse({"error": str(error)}, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def narrowed(request: Request, texts: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a question, with the team that the request's token may read.

    Raises:
        ForbiddenError: another team was asked for.
    """
    grant: Grant = getattr(request.state, "grant", EVERYONE)
    if not grant.team:
        return dict(texts)
    if texts.get("team") not in (None, "", grant.team):
        raise ForbiddenError(f"this token reads the figures of team {grant.team!r} only; leave out the team")
    return {**texts, "team": grant.team}


def _refuse_other_names(headers: Headers) -> None:
    # A site may let its own name lead to this machine, and its page then reads what is answered here.
    try:
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        name = ""
    if not Address(name, 0).is_loopback:
        raise ForbiddenError(
            "without tokens only requests to localhost or a loopback address are answered here; set --tokens FILE, or "
            "let the proxy in front name one of these in the Host header"
        )


def _refuse_other_sites(headers: Headers) -> None:
    # A browser sends what it knows of a password along with any site's form; this header tells whose it is.
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise ForbiddenError("a page of another site may not change anything here; use the page or the commands")
