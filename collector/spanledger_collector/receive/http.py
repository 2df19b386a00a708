"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``, in protobuf and JSON."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import methodcaller

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from spanledger_collector.receive.compression import ENCODINGS, decompress
from spanledger_collector.receive.entrance import Entrance, Refusal, refusal_of
from spanledger_collector.receive.errors import TooLargeError, UnsupportedMediaError
from spanledger_collector.receive.otlp_json import parse_json, to_json
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.signals import SIGNALS, response_to
from spanledger_collector.receive.submit import ExportRequest, Received, Signal


@dataclass(slots=True, frozen=True)
class _Format:
    """One of the two encodings of OTLP; the answer, error or not, comes in the one of the request."""

    content_type: str
    parse: Callable[[Signal, bytes], ExportRequest]
    encode: Callable[[Message], bytes]
    encode_status: Callable[[status_pb2.Status], bytes]


_serialize = methodcaller("SerializeToString")
_PROTOBUF = _Format("application/x-protobuf", parse_protobuf, _serialize, _serialize)
_JSON = _Format("application/json", parse_json, to_json, lambda status: json_format.MessageToJson(status).encode())
_FORMATS = {known.content_type: known for known in (_PROTOBUF, _JSON)}


def otlp_http_app(entrance: Entrance, *, max_request_bytes: int) -> Starlette:
    """The ASGI app; ``max_request_bytes`` bounds a request before and after decompression.

    Refusals carry a ``google.rpc.Status`` with the reason: 400 broken input, 401 and 403 the token, 404 and 405 not an
    entrance, 413 too large, 415 unknown content type or encoding, 429 and 503 with ``Retry-After``.
    """
    app = Starlette(
        routes=[
            Route(signal_type.path, _export(signal, entrance, max_request_bytes), methods=["POST"])
            for signal, signal_type in SIGNALS.items()
        ],
        exception_handlers={HTTPException: _no_entrance},
    )
    app.router.redirect_slashes = False
    return app


def _export(signal: Signal, entrance: Entrance, max_request_bytes: int) -> Callable[[Request], Awaitable[Response]]:
    async def export(request: Request) -> Response:
        try:
            grant = entrance.admit(request.headers.get("authorization", ""))
            form = _format_of(request)
            raw = await _read(request, max_request_bytes)
            encoding = request.headers.get("content-encoding", "").strip().lower()
            body = decompress(raw, encoding, max_request_bytes)
            received = Received(signal, form.parse(signal, body), len(body))
            outcome = await entrance.accept(received, grant, "http")
            return Response(form.encode(response_to(signal, outcome)), media_type=form.content_type)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:
            return _refuse(request, refusal_of(error))

    return export


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _format_of(request: Request) -> _Format:
    try:
        return _FORMATS[_content_type(request)]
    except KeyError:
        raise UnsupportedMediaError(f"the content type is none of {', '.join(_FORMATS)}") from None


async def _read(request: Request, max_bytes: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            chunks.append(chunk)
        elif size > 2 * max_bytes:
            break  # what is a little too large is read to its end: who still writes does not read an answer
    if size > max_bytes:
        raise TooLargeError(max_bytes)
    return b"".join(chunks)


def _no_entrance(request: Request, error: Exception) -> Response:
    """The answer where the router finds no handler."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    entrances = ", ".join(signal_type.path for signal_type in SIGNALS.values())
    reason = f"no OTLP entrance here: POST to {entrances}"
    return _refuse(request, Refusal(status, code_pb2.UNIMPLEMENTED, reason))


def _refuse(request: Request, refusal: Refusal) -> Response:
    form = _FORMATS.get(_content_type(request), _JSON)
    headers = {}
    match refusal.http_status:
        case 401:
            headers["www-authenticate"] = "Bearer"
        case 405:
            headers["allow"] = "POST"
        case 415:
            headers["accept"] = ", ".join(_FORMATS)
            headers["accept-encoding"] = ", ".join(ENCODINGS)
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(refusal.retry_after_s))
    return Response(form.encode_status(refusal.status()), refusal.http_status, headers, media_type=form.content_type)
