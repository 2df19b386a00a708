"""The span of one HTTP attempt at an LLM API, from the request to the last byte of its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, use_span

from spanledger import attributes as name
from spanledger import clock
from spanledger.capture import content_is_captured
from spanledger.guard import guarded
from spanledger.tracing import end_span, mark_failed, start_span
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, known, mapping, parse_object, text
from spanledger.wire.formats import format_of
from spanledger.wire.providers import provider_of
from spanledger.wire.reading import Reading, reading_of

RETRY_COUNT_HEADER = "x-stainless-retry-count"
"""Says, in the requests of the OpenAI and Anthropic SDKs, how often this one was tried before."""

CODE = re.compile(r"[\w.-]{1,64}")
"""What an error code looks like; a provider's free text does not belong into ``error.type``."""


@dataclass(frozen=True)
class Request:
    """What a client is about to send; header names are looked up in lower case."""

    method: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes


class Attempt:
    """Follows one attempt. No method raises; each tolerates being called late, twice or never."""

    def __init__(self, wire_format: WireFormat, request: Request, body: Json) -> None:
        self._format = wire_format
        self._with_content = content_is_captured()
        self._reading: Reading | None = None
        self._status_code = 0
        self._ended = False
        self._started_ns = clock.now_ns()
        self._span = _start(wire_format, request, body, self._started_ns)
        if self._with_content:
            self._span.set_attributes(
                {
                    **_as_json(name.SYSTEM_INSTRUCTIONS, wire_format.system_instructions(body)),
                    **_as_json(name.INPUT_MESSAGES, wire_format.input_messages(body)),
                }
            )

    def current(self) -> AbstractContextManager[Span]:
        """Make the span the current one, so that what the client does is seen below it."""
        return use_span(self._span, record_exception=False, set_status_on_exception=False)

    @guarded
    def answered(self, status_code: int, content_type: str, content_encoding: str = "") -> None:
        """Note the head of the answer; what :meth:`read` gets from here on is its body, encoded as said."""
        self._status_code = status_code
        self._span.set_attribute(name.HTTP_RESPONSE_STATUS_CODE, status_code)
        self._reading = reading_of(self._format, content_type, content_encoding, with_content=self._with_content)

    @guarded
    def read(self, chunk: bytes) -> None:
        """Read a copy of the next bytes that the caller gets."""
        if self._reading is not None:
            self._reading.feed(chunk)

    def end(self, error: BaseException | None = None) -> None:
        """End the span with what is known; with an ``error``, as failed."""
        if self._ended:
            return
        self._ended = True
        self._describe_answer()
        end_span(self._span, error)

    @guarded
    def _describe_answer(self) -> None:
        response = self._reading.response() if self._reading is not None else {}
        self._span.set_attributes(self._format.response_attributes(response))
        if self._reading is not None and self._reading.first_content_ns is not None:
            waited_s = (self._reading.first_content_ns - self._started_ns) / 1e9
            self._span.set_attribute(name.RESPONSE_TIME_TO_FIRST_CHUNK, waited_s)
        if self._with_content:
            self._span.set_attributes(_as_json(name.OUTPUT_MESSAGES, self._format.output_messages(response)))
        if self._status_code >= 400 or mapping(response.get("error")):
            mark_failed(self._span, _error_code(response) or str(self._status_code))


@guarded
def begin(request: Request) -> Attempt | None:
    """Start following a request, or give None for one that is no LLM call."""
    body = parse_object(request.body)
    wire_format = format_of(request.path, body)
    return Attempt(wire_format, request, body) if wire_format is not None else None


def _start(wire_format: WireFormat, request: Request, body: Json, started_ns: int) -> Span:
    model = text(body.get("model"))
    retries = request.headers.get(RETRY_COUNT_HEADER, "")
    attributes = known(
        {
            name.OPERATION_NAME: wire_format.operation,
            name.PROVIDER_NAME: provider_of(request.host) or wire_format.provider,
            name.REQUEST_MODEL: model,
            name.REQUEST_STREAM: True if body.get("stream") is True else None,
            name.SERVER_ADDRESS: request.host,
            name.SERVER_PORT: request.port,
            name.HTTP_REQUEST_METHOD: request.method,
            name.HTTP_REQUEST_RESEND_COUNT: int(retries) if retries.isdecimal() and int(retries) else None,
        }
    )
    name_of_span = f"{wire_format.operation} {model}" if model else wire_format.operation
    return start_span(name_of_span, SpanKind.CLIENT, attributes, started_ns=started_ns)


def _as_json(attribute: str, messages: Messages) -> Attributes:
    return {attribute: json.dumps(messages, ensure_ascii=False)} if messages else {}


def _error_code(response: Json) -> str | None:
    """Give the provider's own word for what went wrong: ``insufficient_quota`` says more than 429."""
    error = mapping(response.get("error"))
    for field in ("code", "type"):
        value = error.get(field)
        if isinstance(value, str | int) and CODE.fullmatch(str(value)):
            return str(value)
    return None
