"""The client of aiohttp."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import wrapt

from spanledger.guard import guarded
from spanledger.patching import Patch
from spanledger.wire.attempt import Attempt, Request, begin, may_be_read
from spanledger.wire.format import Json
from spanledger.wire.privacy import keep_identity_home


async def _request(request: Callable[..., Any], session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attempt = _begin(session, *args, **kwargs)
    if attempt is None:
        return await request(*args, **kwargs)
    try:
        with attempt.current():
            response = await request(*args, **kwargs)
    except BaseException as error:
        _refused(attempt, error)
        attempt.end(error)
        raise
    if _follow(attempt, response, is_decoded=kwargs.get("auto_decompress") or session.auto_decompress) is None:
        attempt.end()
    return response


async def _send(send: Callable[..., Any], request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sends what a request has become: tracers of the client write their headers after ``_request`` has begun."""
    _keep_identity_home(request)
    return await send(*args, **kwargs)


PATCHES = (
    Patch("aiohttp.client", "ClientSession._request", _request),
    Patch("aiohttp.client_reqrep", "ClientRequest.send", _send),
)


@guarded
def _begin(
    session: Any, method: str, url: Any, *, json: Any = None, data: Any = None, headers: Any = None, **_options: Any
) -> Attempt | None:
    method = method.upper()
    if not may_be_read(method, _path(url)):
        return None
    url = session._build_url(url)
    named = {**session.headers, **(headers or {})}
    return begin(
        Request(
            method,
            url.host or "",
            url.port or 80,
            url.path,
            {name.lower(): value for name, value in named.items()},
            _body(json, data),
        )
    )


def _path(url: Any) -> str:
    path: str = url.path if hasattr(url, "path") else str(url).partition("?")[0]
    return path


def _body(json: Any, data: Any) -> bytes | Json:
    if isinstance(json, dict):
        return json
    if isinstance(data, str):
        return data.encode()
    return bytes(data) if isinstance(data, bytes | bytearray) else b""


@guarded
def _keep_identity_home(request: Any) -> None:
    if may_be_read(request.method, request.url.path):
        keep_identity_home(request.url.host, request.headers)


@guarded
def _refused(attempt: Attempt, error: BaseException) -> None:
    """A session may raise for a status: then the answer is in the exception only."""
    status = getattr(error, "status", 0)
    if isinstance(status, int) and status >= 400:
        attempt.answered(status, getattr(error, "headers", None) or {})
        attempt.end()


@guarded
def _follow(attempt: Attempt, response: Any, *, is_decoded: bool) -> bool | None:
    """Read the answer beside whoever reads it; None for one that has been read already."""
    attempt.answered(response.status, response.headers, is_decoded=is_decoded)
    if response._body is not None:
        attempt.read(response._body)
        return None
    response.content = WatchedContent(response.content, attempt)
    return True


def _along(name: str) -> Callable[..., Awaitable[Any]]:
    async def method(self: WatchedContent, *args: Any, **kwargs: Any) -> Any:
        content, attempt = self.__wrapped__, self._self_attempt
        try:
            got = await getattr(content, name)(*args, **kwargs)
        except BaseException as error:
            attempt.end(error)
            raise
        attempt.read(got[0] if isinstance(got, tuple) else got)
        if content.at_eof():
            attempt.end()
        return got

    method.__name__ = name
    return method


def _iterator(name: str) -> Callable[..., Any]:
    def method(self: WatchedContent, *args: Any) -> Any:
        # Made with the proxy as its `self`, it reads by the methods here.
        return getattr(type(self.__wrapped__), name)(self, *args)

    method.__name__ = name
    return method


class WatchedContent(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A response's ``StreamReader``: what its reader gets, the attempt reads too."""

    def __init__(self, content: Any, attempt: Attempt) -> None:
        super().__init__(content)
        self._self_attempt = attempt
        # Who drops an answer without closing it ends it by that.
        weakref.finalize(self, attempt.end)

    read = _along("read")
    readany = _along("readany")
    readchunk = _along("readchunk")
    readexactly = _along("readexactly")
    readline = _along("readline")
    readuntil = _along("readuntil")

    iter_any = _iterator("iter_any")
    iter_chunked = _iterator("iter_chunked")
    iter_chunks = _iterator("iter_chunks")
    __aiter__ = _iterator("__aiter__")

    def read_nowait(self, n: int = -1) -> bytes:
        """Give what is here already."""
        got: bytes = self.__wrapped__.read_nowait(n)
        self._self_attempt.read(got)
        return got

    def set_exception(self, *args: Any) -> None:
        """Learn that the answer has been closed before its end."""
        self.__wrapped__.set_exception(*args)
        self._self_attempt.end()
