"""The clients of httpx and of its successor httpx2, sync and async: both alive, both of one shape."""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value

from spanledger.guard import guarded
from spanledger.wire.attempt import Attempt, Request, begin
from spanledger.wire.formats import PATH_ENDS
from spanledger.wire.privacy import keep_identity_home

MODULES = ("httpx2", "httpx")

_watched: dict[Any, Any] = {}
"""Client classes with the wrapper of their ``send``."""
_watching = False
_waiting_for_imports = False


def watch_clients() -> bool:
    """Read the LLM traffic of both modules from now on; of one that is imported later, from then on.

    Says whether that was already so.
    """
    global _watching, _waiting_for_imports  # noqa: PLW0603 - import hooks are for the life of a process
    before, _watching = _watching, True
    for name in MODULES:
        if name in sys.modules:
            _watch(sys.modules[name])
        if not _waiting_for_imports:
            wrapt.register_post_import_hook(_watch, name)
    _waiting_for_imports = True
    return before


def unwatch_clients() -> None:
    """Put the clients' own methods back; one that somebody has wrapped in turn stays, and lets all pass."""
    global _watching  # noqa: PLW0603
    _watching = False
    for client_class, wrapper in _watched.items():
        if client_class.__dict__.get("send") is wrapper:
            client_class.send = wrapper.__wrapped__
    _watched.clear()


@guarded
def _watch(module: ModuleType) -> None:
    if not _watching:
        return
    for client_class, hook in ((module.Client, _send), (module.AsyncClient, _send_async)):
        # httpx2 can pose as httpx: then both names mean one class.
        if client_class not in _watched:
            wrapper = wrapt.FunctionWrapper(client_class.send, hook, enabled=lambda: _watching)
            client_class.send = _watched[client_class] = wrapper


def _send(send: Callable[..., Any], _client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attempt = _begin(*args, **kwargs)
    if attempt is None:
        return send(*args, **kwargs)
    try:
        with attempt.current():
            response = send(*args, **kwargs)
    except BaseException as error:
        attempt.end(error)
        raise
    _follow(attempt, response)
    return response


async def _send_async(send: Callable[..., Any], _client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attempt = _begin(*args, **kwargs)
    if attempt is None:
        return await send(*args, **kwargs)
    try:
        with attempt.current():
            response = await send(*args, **kwargs)
    except BaseException as error:
        attempt.end(error)
        raise
    _follow(attempt, response)
    return response


@guarded
def _begin(request: Any, **_options: Any) -> Attempt | None:
    url = request.url
    path = url.path
    if request.method != "POST" or not path.endswith(PATH_ENDS) or get_value(_SUPPRESS_INSTRUMENTATION_KEY):
        return None
    keep_identity_home(url.host, request.headers)
    # A body that is still a stream has no `_content`, and reading it is not ours to do.
    body = getattr(request, "_content", b"")
    port = url.port or (443 if url.scheme == "https" else 80)
    return begin(Request(request.method, url.host, port, path, request.headers, body))


def _follow(attempt: Attempt, response: Any) -> None:
    """Read the answer if it is here, else beside whoever reads it."""
    if _follow_stream(attempt, response) is None:
        attempt.end()


@guarded
def _follow_stream(attempt: Attempt, response: Any) -> bool | None:
    content_type = response.headers.get("content-type", "")
    if response.is_closed:
        attempt.answered(response.status_code, content_type)
        attempt.read(response.content)
        return None
    attempt.answered(response.status_code, content_type, response.headers.get("content-encoding", ""))
    response.stream = WatchedStream(response.stream, attempt)
    return True


class WatchedStream(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A response's raw stream, of either module: chunks pass as they come, and the attempt reads them too.

    It passes for the class that it wraps, which the modules check.
    """

    def __init__(self, stream: Any, attempt: Attempt) -> None:
        super().__init__(stream)
        self._self_attempt = attempt
        # Who drops a stream without closing it ends it by that.
        weakref.finalize(self, attempt.end)

    def __iter__(self) -> Iterator[bytes]:
        attempt = self._self_attempt
        try:
            for chunk in self.__wrapped__:
                attempt.read(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            attempt.end(error)
            raise
        finally:
            attempt.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        attempt = self._self_attempt
        stream = self.__wrapped__.__aiter__()
        try:
            async for chunk in stream:
                attempt.read(chunk)
                yield chunk
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
