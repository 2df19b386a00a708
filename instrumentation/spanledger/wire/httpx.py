"""The clients of httpx and of its successor httpx2, sync and async: both alive, both of one shape."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import wrapt

from spanledger.guard import guarded, report_once
from spanledger.patching import Patch
from spanledger.wire.attempt import Attempt, Request, begin, may_be_read
from spanledger.wire.privacy import keep_identity_home
from spanledger.wire.stream_usage import UsageFilter
from spanledger.wire.tries import Tries

ASKED = "spanledger.asked_for_usage"
"""An extension of a request whose answer has a chunk that the application did not ask for."""


def _send(send: Callable[..., Any], _client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tries = _begin(*args, **kwargs)
    if tries is None:
        return send(*args, **kwargs)
    try:
        with tries.current():
            response = send(*args, **kwargs)
    except BaseException as error:
        tries.attempt.end(error)
        raise
    _follow(tries.attempt, response)
    return response


async def _send_async(send: Callable[..., Any], _client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tries = _begin(*args, **kwargs)
    if tries is None:
        return await send(*args, **kwargs)
    try:
        with tries.current():
            response = await send(*args, **kwargs)
    except BaseException as error:
        tries.attempt.end(error)
        raise
    _follow(tries.attempt, response)
    return response


def _handle(handle: Callable[..., Any], _transport: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sees what is sent below transports that try again."""
    tries = _tried(*args, **kwargs)
    if tries is None:
        return handle(*args, **kwargs)
    try:
        response = handle(*args, **kwargs)
    except BaseException as error:
        tries.failed(error)
        raise
    tries.headed(response.status_code, response.headers)
    return response


async def _handle_async(
    handle: Callable[..., Any], _transport: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    tries = _tried(*args, **kwargs)
    if tries is None:
        return await handle(*args, **kwargs)
    try:
        response = await handle(*args, **kwargs)
    except BaseException as error:
        tries.failed(error)
        raise
    tries.headed(response.status_code, response.headers)
    return response


PATCHES = tuple(
    Patch(module, target, hook)
    for module in ("httpx2", "httpx")
    for target, hook in (
        ("Client.send", _send),
        ("AsyncClient.send", _send_async),
        ("HTTPTransport.handle_request", _handle),
        ("AsyncHTTPTransport.handle_async_request", _handle_async),
    )
)


@guarded
def _tried(request: Any) -> HttpxTries | None:
    """Give the call that a request belongs to, having told it; None for one that is no LLM call."""
    tries = HttpxTries.current_call()
    if tries is None or not (request is tries.client_request or may_be_read(request.method, request.url.path)):
        return None
    tries.send(request)
    return tries


class HttpxTries(Tries):
    """The attempts of one call of a client of either module."""

    __slots__ = ("client_request",)

    def __init__(self, attempt: Attempt, request: Request, client_request: object) -> None:
        super().__init__(attempt, request)
        self.client_request = client_request


@guarded
def _begin(request: Any, **_options: Any) -> HttpxTries | None:
    url = request.url
    path = url.path
    if not may_be_read(request.method, path):
        return None
    keep_identity_home(url.host, request.headers)
    # A body that is still a stream has no `_content`, and reading it is not ours to do.
    body = getattr(request, "_content", b"")
    port = url.port or (443 if url.scheme == "https" else 80)
    sent = Request(request.method, url.host, port, path, request.headers, body)
    attempt = begin(sent)
    if attempt is None:
        return None
    if asking := attempt.body_asking_usage():
        request._content, request.stream = asking, type(request.stream)(asking)
        request.headers.update({"content-length": str(len(asking)), "accept-encoding": "identity"})
        request.extensions = {**request.extensions, ASKED: True}
    return HttpxTries(attempt, sent, request)


def _follow(attempt: Attempt, response: Any) -> None:
    """Read the answer if it is here, else beside whoever reads it."""
    try:
        asked = response.request.extensions.get(ASKED)
        usage = UsageFilter() if asked and _is_plain_stream(response) else None
        if not response.is_closed:
            attempt.answered(response.status_code, response.headers)
            response.stream = WatchedStream(response.stream, attempt, usage)
            return
        attempt.answered_whole(response.status_code, response.headers, response.content)
        if usage is not None:
            response._content = usage.feed(response.content) + usage.rest()
    except Exception as error:
        report_once(error)
        attempt.end()


def _is_plain_stream(response: Any) -> bool:
    headers = response.headers
    return "event-stream" in headers.get("content-type", "") and "content-encoding" not in headers


class WatchedStream(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A response's raw stream, of either module: chunks pass as they come, and the attempt reads them too.

    It passes for the class that it wraps, which the modules check.
    """

    def __init__(self, stream: Any, attempt: Attempt, usage: UsageFilter | None) -> None:
        super().__init__(stream)
        self._self_attempt = attempt
        self._self_usage = usage
        # Who drops a stream without closing it ends it by that.
        weakref.finalize(self, attempt.end)

    def __iter__(self) -> Iterator[bytes]:
        attempt, usage = self._self_attempt, self._self_usage
        try:
            for chunk in self.__wrapped__:
                attempt.read(chunk)
                if usage is None:
                    yield chunk
                elif passing := usage.feed(chunk):
                    yield passing
            if usage is not None and (rest := usage.rest()):
                yield rest
        except GeneratorExit:
            raise
        except BaseException as error:
            attempt.end(error)
            raise
        finally:
            attempt.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        attempt, usage = self._self_attempt, self._self_usage
        stream = self.__wrapped__.__aiter__()
        try:
            async for chunk in stream:
                attempt.read(chunk)
                if usage is None:
                    yield chunk
                elif passing := usage.feed(chunk):
                    yield passing
            if usage is not None and (rest := usage.rest()):
                yield rest
        except GeneratorExit:
            raise
        except BaseException as error:
            attempt.end(error)
            raise
        finally:
            attempt.end()
            if hasattr(stream, "aclose"):
                await stream.aclose()

    def close(self) -> None:
        """Close the wrapped stream, and the attempt with it."""
        try:
            self.__wrapped__.close()
        finally:
            self._self_attempt.end()

    async def aclose(self) -> None:
        """Close the wrapped stream, and the attempt with it."""
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_attempt.end()
