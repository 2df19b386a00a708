"""The HTTP clients that are watched, behind one face: what they have in common is said of all of them."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest


@dataclass
class Response:
    """A response whose head is here: its status, and its raw bytes as they come."""

    status: int
    chunks: AsyncIterator[bytes]

    async def body(self) -> bytes:
        """Read it to its end."""
        return b"".join([chunk async for chunk in self.chunks])


Opened = Callable[..., AbstractAsyncContextManager[Response]]


@dataclass(frozen=True)
class Client:
    """How a client posts JSON, and what it raises for a connection that cannot be made and for one that breaks."""

    name: str
    post: Opened
    cannot_connect: str
    breaks: str

    @property
    def is_async(self) -> bool:
        """Whether a call of it can be cancelled."""
        return self.name.endswith("async") or self.name == "aiohttp"


async def each(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Let the chunks of a sync client pass for those of an async one."""
    try:
        for chunk in chunks:
            yield chunk
    finally:
        chunks.close()


def httpx_sync(module: Any) -> Opened:
    """The client of httpx or httpx2."""

    @asynccontextmanager
    async def post(url: str, request: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Response]:
        with module.Client() as client, client.stream("POST", url, json=request, headers=headers) as response:
            yield Response(response.status_code, each(response.iter_raw()))

    return post


def httpx_async(module: Any) -> Opened:
    """The async client of httpx or httpx2."""

    @asynccontextmanager
    async def post(url: str, request: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Response]:
        async with (
            module.AsyncClient() as client,
            client.stream("POST", url, json=request, headers=headers) as response,
        ):
            yield Response(response.status_code, response.aiter_raw())

    return post


def requests_sync(module: Any) -> Opened:
    """A session of requests."""

    @asynccontextmanager
    async def post(url: str, request: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Response]:
        with (
            module.Session() as session,
            session.post(url, json=request, headers=headers, stream=True) as response,
        ):
            yield Response(response.status_code, each(response.raw.stream(decode_content=False)))

    return post


def urllib3_sync(module: Any) -> Opened:
    """A pool of urllib3; 1.26 knows no JSON."""

    @asynccontextmanager
    async def post(url: str, request: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Response]:
        with module.PoolManager(retries=False) as pool:
            body, named = json.dumps(request).encode(), {"content-type": "application/json", **(headers or {})}
            response = pool.request("POST", url, body=body, headers=named, preload_content=False)
            try:
                yield Response(response.status, each(response.stream(decode_content=False)))
            finally:
                response.close()

    return post


def aiohttp_async(module: Any) -> Opened:
    """A session of aiohttp."""

    @asynccontextmanager
    async def post(url: str, request: Any, headers: dict[str, str] | None = None) -> AsyncIterator[Response]:
        async with (
            module.ClientSession(auto_decompress=False) as session,
            session.post(url, json=request, headers=headers) as response,
        ):
            yield Response(response.status, response.content.iter_any())

    return post


CLIENTS: dict[str, tuple[str, Callable[[Any], Opened], str, str]] = {
    "httpx_sync": ("httpx", httpx_sync, "httpx.ConnectError", "httpx.RemoteProtocolError"),
    "httpx_async": ("httpx", httpx_async, "httpx.ConnectError", "httpx.RemoteProtocolError"),
    "httpx2_sync": ("httpx2", httpx_sync, "httpx2.ConnectError", "httpx2.RemoteProtocolError"),
    "httpx2_async": ("httpx2", httpx_async, "httpx2.ConnectError", "httpx2.RemoteProtocolError"),
    "requests": (
        "requests",
        requests_sync,
        "urllib3.exceptions.NewConnectionError",
        "urllib3.exceptions.ProtocolError",
    ),
    "urllib3": (
        "urllib3",
        urllib3_sync,
        "urllib3.exceptions.NewConnectionError",
        "urllib3.exceptions.ProtocolError",
    ),
    "aiohttp": (
        "aiohttp",
        aiohttp_async,
        "aiohttp.client_exceptions.ClientConnectorError",
        "aiohttp.client_exceptions.ClientPayloadError",
    ),
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client that is installed."""
    package, made_of, cannot_connect, breaks = CLIENTS[request.param]
    pytest.importorskip(package)
    return Client(request.param, made_of(importlib.import_module(package)), cannot_connect, breaks)


@pytest.fixture
def span_of(provider: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give the whole span of a recorded call that goes well."""

    def span(case: dict[str, Any]) -> dict[str, Any]:
        attributes = case["attributes"]
        model = attributes["gen_ai.request.model"]
        return {
            "name": f"{attributes['gen_ai.operation.name']} {model}",
            "kind": "CLIENT",
            "trace": 1,
            "span": 1,
            "parent": None,
            "start_s": 1.0,
            "end_s": 3.0 if "gen_ai.response.time_to_first_chunk" in attributes else 2.0,
            "status": "UNSET",
            "attributes": {
                **attributes,
                "server.address": "127.0.0.1",
                "server.port": urlsplit(provider.url).port,
                "http.response.status_code": 200,
            },
        }

    return span


def without_sizes(span: dict[str, Any]) -> dict[str, Any]:
    """Give a span without what depends on the calls before it: tests of their own are about that."""
    kept = {name: value for name, value in span["attributes"].items() if not name.startswith("spanledger.input.")}
    return {**span, "attributes": kept}


@pytest.fixture
def only_span(spans: Any) -> Callable[[], dict[str, Any]]:
    """Give the only span there is, without its sizes."""

    def only() -> dict[str, Any]:
        (span,) = spans.snapshot()
        return without_sizes(span)

    return only
