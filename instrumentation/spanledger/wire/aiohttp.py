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
from spanledger.wire.tries import Tries

REDIRECTS = (301, 302, 303, 307, 308)


class Call(Tries):
    """One call of a session; its middlewares may try it again."""

    def __init__(self, attempt: Attempt, request: Request, *, is_decoded: bool) -> None:
        super().__init__(attempt, request)
        self._is_decoded = is_decoded
        self._answered: Attempt | None = None

    @guarded
    def answered(self, response: Any) -> bool:
        """Read an answer beside whoever reads it; once."""
        if self._answered is self.attempt:
            return True
        self.attempt.answered(response.status, response.headers, is_decoded=self._is_decoded)
        if response._body is not None:
            self.attempt.read(response._body)
            self.attempt.end()
        else:
            response.content = WatchedContent(response.content, self.attempt)
        self._answered = self.attempt
        return True


async def _request(request: Callable[..., Any], session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    call = _begin(session, *args, **kwargs)
    if call is None:
        return await request(*args, **kwargs)
    try:
        with call.current():
            response = await request(*args, **kwargs)
    except BaseException as error:
        _refused(call.attempt, error)
        call.attempt.end(error)
        raise
    if not call.answered(response):
        call.attempt.end()
    return response


async def _connect(connect: Callable[..., Any], _connector: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sees each attempt begin, those of middlewares, too."""
    call = _tried(*args, **kwargs)
    if call is None:
        return await connect(*args, **kwargs)
    return await _noting_failure(call, connect, args, kwargs)


async def _start(start: Callable[..., Any], response: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sees the head of each answer."""
    call = Call.current_call()
    if call is None:
        return await start(*args, **kwargs)
    started = await _noting_failure(call, start, args, kwargs)
    if response.status not in REDIRECTS and may_be_read(response.method, response.url.path):
        call.answered(response)
    return started


async def _noting_failure(call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    try:
        return await function(*args, **kwargs)
    except BaseException as error:
        call.failed(error)
        raise


async def _send(send: Callable[..., Any], request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sends what a request has become: tracers of the client write their headers after ``_request`` has begun."""
    _keep_identity_home(request)
    return await send(*args, **kwargs)


PATCHES = (
    Patch("aiohttp.client", "ClientSession._request", _request),
    Patch("aiohttp.connector", "BaseConnector.connect", _connect),
    Patch("aiohttp.client_reqrep", "ClientRequest.send", _send),
    Patch("aiohttp.client_reqrep", "ClientResponse.start", _start),
)


@guarded
def _tried(req: Any, *_others: Any, **_options: Any) -> Call | None:
    """Give the call that a request belongs to, having told it; None for one that is no LLM call."""
    call = Call.current_call()
    if call is None or not may_be_read(req.method, req.url.path):
        return None
    call.send(req)
    return call


@guarded
def _begin(
    session: Any, method: str, url: Any, *, json: Any = None, data: Any = None, headers: Any = None, **options: Any
) -> Call | None:
    method = method.upper()
    if not may_be_read(method, _path(url)):
        return None
    url = session._build_url(url)
    named = {**session.headers, **(headers or {})}
    request = Request(
        method,
        url.host or "",
        url.port or 80,
        url.path,
        {name.lower(): value for name, value in named.items()},
        _body(json, data),
    )
    attempt = begin(request)
    if attempt is None:
        return None
    return Call(attempt, request, is_decoded=options.get("auto_decompress") or session.auto_decompress)


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
