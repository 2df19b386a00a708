"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``, in protobuf and JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from google.protobuf import json_format
from google.rpc import code_pb2, status_pb2

from spanledger_collector.access import Grant
from spanledger_collector.errors import RetryableError
from spanledger_collector.receive.compression import ENCODINGS, decompress
from spanledger_collector.receive.connection import Answer, Head, TakesBody
from spanledger_collector.receive.entrance import Entrance, Parse, Refusal, refusal_of
from spanledger_collector.receive.errors import TooLargeError, UnsupportedMediaError
from spanledger_collector.receive.otlp_json import parse_json, to_json
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.room import Room, no_room
from spanledger_collector.receive.signals import SIGNALS, protobuf_response_to, response_to
from spanledger_collector.receive.submit import ALL_TAKEN, Outcome, Signal


@dataclass(slots=True, frozen=True)
class _Format:
    """One of the two encodings of OTLP; the answer, error or not, comes in the one of the request."""

    content_type: str
    parse: Parse
    encode: Callable[[Signal, Outcome], bytes]
    encode_status: Callable[[status_pb2.Status], bytes]


_PROTOBUF = _Format(
    "application/x-protobuf", parse_protobuf, protobuf_response_to, lambda status: status.SerializeToString()
)
_JSON = _Format(
    "application/json",
    parse_json,
    lambda signal, outcome: to_json(response_to(signal, outcome)),
    lambda status: json_format.MessageToJson(status).encode(),
)
_FORMATS = {known.content_type: known for known in (_PROTOBUF, _JSON)}
_PATHS: dict[bytes, Signal] = {signal_type.path.encode(): signal for signal, signal_type in SIGNALS.items()}
_TAKEN = Answer(200, _PROTOBUF.content_type, b"")
"""By far the most frequent answer."""


class OtlpHandler:
    """What stands behind the connections; ``max_body_bytes`` bounds a request before and after decompression.

    ``max_held_bytes`` bounds the bodies of all connections together.

    Refusals carry a ``google.rpc.Status`` with the reason: 400 broken input, 401 and 403 the token, 404 and 405 not an
    entrance, 413 too large, 415 unknown content type or encoding, 429 and 503 with ``Retry-After``.
    """

    def __init__(self, entrance: Entrance, max_body_bytes: int, max_held_bytes: int) -> None:
        self._entrance = entrance
        self.max_body_bytes = max_body_bytes
        self.room = Room(max_held_bytes)

    def begin(self, head: Head) -> TakesBody | Answer:
        """See ``connection.Handler``: who may not send is told so before the body is read."""
        signal = _PATHS.get(head.path)
        if signal is None or head.method != b"POST":
            return _no_entrance(head, 404 if signal is None else 405)
        try:
            grant = self._entrance.admit(head.header(b"authorization"))
            form = _FORMATS.get(_content_type(head))
            if form is None:
                raise UnsupportedMediaError(f"the content type is none of {', '.join(_FORMATS)}")
        except Exception as error:
            return _refuse(head, refusal_of(error))
        return partial(self._take, head, signal, form, grant)

    def too_large(self, head: Head) -> Answer:
        """See ``connection.Handler``."""
        return _refuse(head, refusal_of(TooLargeError(self.max_body_bytes)))

    def no_room(self, head: Head) -> Answer:
        """See ``connection.Handler``."""
        return _refuse(head, refusal_of(no_room()))

    def too_many(self) -> Answer:
        """See ``connection.Handler``."""
        return _refuse(
            Head(b"", b"", {}), refusal_of(RetryableError("too many clients are connected; try again later"))
        )

    async def _take(self, head: Head, signal: Signal, form: _Format, grant: Grant, body: bytes) -> Answer:
        encoding = head.header(b"content-encoding").strip().lower()
        if not encoding:
            return await self._answer(head, signal, form, grant, body)
        try:
            content = decompress(body, encoding, self.max_body_bytes)
        except Exception as error:
            return _refuse(head, refusal_of(error))
        more_bytes = len(content) - len(body)
        if not self.room.take(more_bytes, len(body)):
            return self.no_room(head)
        try:
            return await self._answer(head, signal, form, grant, content)
        finally:
            self.room.give_back(more_bytes)

    async def _answer(self, head: Head, signal: Signal, form: _Format, grant: Grant, body: bytes) -> Answer:
        try:
            outcome = await self._entrance.take(signal, body, grant, "http", form.parse)
            if outcome is ALL_TAKEN and form is _PROTOBUF:
                return _TAKEN
            return Answer(200, form.content_type, form.encode(signal, outcome))
        except Exception as error:
            return _refuse(head, refusal_of(error))


def _content_type(head: Head) -> str:
    return head.header(b"content-type").partition(";")[0].strip().lower()


def _no_entrance(head: Head, status: int) -> Answer:
    entrances = ", ".join(signal_type.path for signal_type in SIGNALS.values())
    return _refuse(head, Refusal(status, code_pb2.UNIMPLEMENTED, f"no OTLP entrance here: POST to {entrances}"))


def _refuse(head: Head, refusal: Refusal) -> Answer:
    form = _FORMATS.get(_content_type(head), _JSON)
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
    return Answer(refusal.http_status, form.content_type, form.encode_status(refusal.status()), headers)
