"""urllib3, 1.26 and 2, and what stands on it: requests, and botocore with every AWS SDK."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from spanledger.guard import guarded
from spanledger.patching import Patch
from spanledger.wire.attempt import Attempt, Request, begin, may_be_read
from spanledger.wire.privacy import HEADER, keep_identity_home


def _make_request(make_request: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attempt = _begin(pool, kwargs, *args, **kwargs)
    if attempt is None:
        return make_request(*args, **kwargs)
    try:
        with attempt.current():
            response = make_request(*args, **kwargs)
    except BaseException as error:
        attempt.end(error)
        raise
    if not hasattr(response, "stream"):
        # Version 1.26 has the answer of http.client here, and makes its own of it.
        response.spanledger_attempt = attempt
    elif _follow(attempt, response) is None:
        attempt.end()
    return response


def _from_httplib(make: Callable[..., Any], _class: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attempt = getattr(args[0] if args else None, "spanledger_attempt", None)
    if attempt is None:
        return make(*args, **kwargs)
    try:
        response = make(*args, **kwargs)
    except BaseException as error:
        attempt.end(error)
        raise
    if _follow(attempt, response) is None:
        attempt.end()
    return response


# `urlopen` calls itself to try again and to follow redirects; below it, each attempt is seen.
PATCHES = (
    Patch("urllib3.connectionpool", "HTTPConnectionPool._make_request", _make_request),
    Patch("urllib3.response", "HTTPResponse.from_httplib", _from_httplib),
)


@guarded
def _begin(
    pool: Any,
    options: dict[str, Any],
    _connection: Any,
    method: str,
    url: str,
    body: Any = None,
    headers: Any = None,
    **_others: Any,
) -> Attempt | None:
    path = unquote(urlsplit(url).path)
    if not may_be_read(method, path):
        return None
    if headers and HEADER in headers:
        # The mapping may be the caller's own, to be used again elsewhere.
        options["headers"] = headers = headers.copy()
        keep_identity_home(pool.host, headers)
    if isinstance(body, str):
        body = body.encode()
    named = {name.lower(): _text(value) for name, value in (headers or {}).items()}
    port = pool.port or (443 if pool.scheme == "https" else 80)
    return begin(Request(method, pool.host, port, path, named, body if isinstance(body, bytes) else b""))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@guarded
def _follow(attempt: Attempt, response: Any) -> bool | None:
    """Read the answer if it is here, else beside whoever reads it."""
    if response.isclosed():
        attempt.answered_whole(response.status, response.headers, response.data)
        return True
    attempt.answered(response.status, response.headers)
    response_class: Any = type(response)
    response.__class__ = watched(response_class)
    response.spanledger_attempt = attempt
    # Who drops an answer without closing it ends it by that.
    weakref.finalize(response, attempt.end)
    return True


@lru_cache(maxsize=8)
def watched(response_class: Any) -> Any:
    """Give a class that reads along: bytes pass through two methods, one for a body in HTTP chunks, one for others."""

    class WatchedResponse(response_class):  # type: ignore[misc]
        spanledger_attempt: Attempt
        spanledger_is_breaking = False

        def _fp_read(self, *args: Any, **kwargs: Any) -> bytes:
            data: bytes = super()._fp_read(*args, **kwargs)
            self.spanledger_attempt.read(data)
            return data

        def _handle_chunk(self, amt: int | None) -> bytes:
            data: bytes = super()._handle_chunk(amt)
            self.spanledger_attempt.read(data)
            return data

        @contextmanager
        def _error_catcher(self) -> Iterator[None]:
            try:
                with super()._error_catcher():
                    yield
            except GeneratorExit:
                self.spanledger_attempt.end()
                raise
            except BaseException as error:
                self.spanledger_attempt.end(error)
                raise
            if self.isclosed():
                self.spanledger_attempt.end()

        def _update_chunk_length(self) -> None:
            # It closes the answer before it raises what ends the attempt.
            self.spanledger_is_breaking = True
            super()._update_chunk_length()
            self.spanledger_is_breaking = False

        def close(self) -> None:
            try:
                super().close()
            finally:
                if not self.spanledger_is_breaking:
                    self.spanledger_attempt.end()

    WatchedResponse.__name__ = response_class.__name__
    WatchedResponse.__qualname__ = response_class.__qualname__
    return WatchedResponse
