"""The span of one HTTP attempt at an LLM API, from the request to the last byte of its answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Hashable, Mapping
from contextvars import Token
from types import TracebackType
from typing import NamedTuple

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
    attach,
    create_key,
    detach,
    get_current,
    get_value,
    set_value,
)
from opentelemetry.trace import Span, SpanKind, format_span_id, get_current_span, set_span_in_context

from spanledger import attributes as name
from spanledger import clock
from spanledger.capture import content_is_captured
from spanledger.guard import guarded, report_once
from spanledger.tracing import end_span, mark_failed, start_span
from spanledger.wire import resends, uncounted
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, known, mapping, parse_object
from spanledger.wire.formats import PATH_ENDS, format_of
from spanledger.wire.providers import provider_of
from spanledger.wire.reading import Reading, reading_of
from spanledger.wire.stream_usage import asking
from spanledger.wire.turn import begin_turn

FOLLOWED = create_key("spanledger-followed")
"""Set in the context below an attempt: a client that sends by another client is followed once."""

CODE = re.compile(r"[\w.-]{1,64}")
"""What an error code looks like; a provider's free text does not belong into ``error.type``."""


class Request(NamedTuple):
    """What a client is about to send; header names are looked up in lower case."""

    method: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes | Json

    def json(self) -> Json:
        """Give the body as an object; anything else is an empty one."""
        return parse_object(self.body) if isinstance(self.body, bytes) else self.body


class Current:
    """A block with a context of its own; less work than a generator that does the same."""

    __slots__ = ("_context", "_token")
    _token: Token[Context]

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        detach(self._token)


class Attempt:
    """Follows one attempt. No method raises; each tolerates being called late, twice or never."""

    def __init__(self, wire_format: WireFormat, request: Request, body: Json, context: Context) -> None:
        self._format = wire_format
        self._request = request
        self._with_content = content_is_captured()
        self._reading: Reading | None = None
        self._head: Json = {}
        self._status_code = 0
        self._ended = False
        self._started_ns = clock.now_ns()
        self._turn = begin_turn(wire_format, body, self._started_ns, context)
        self._response: Json = {}
        self._caller = get_current_span(context).get_span_context().span_id
        self._is_streamed = wire_format.is_streamed(request.path, body)
        self._is_uncounted = self._is_streamed and uncounted.is_uncounted(wire_format, body)
        self._before = resends.failed_before(self._identity()) if resends.anything_failed() else None
        seen_resends = self._before.resend_count + 1 if self._before else 0
        self._resends = max(resends.stated_resends(request.headers), seen_resends)
        self._span = self._start(body, context)
        if self._with_content:
            self._span.set_attributes(
                {
                    **_as_json(name.SYSTEM_INSTRUCTIONS, wire_format.system_instructions(body)),
                    **_as_json(name.INPUT_MESSAGES, wire_format.input_messages(body)),
                }
            )

    def context(self) -> Context:
        """Give the context of what the client does."""
        return set_value(FOLLOWED, True, set_span_in_context(self._span))

    def current(self) -> Current:
        """Make the span the current one for a block, so that what the client does is seen below it."""
        return Current(self.context())

    @guarded
    def body_asking_usage(self) -> bytes | None:
        """Give the body to send instead, which asks for the stream's usage; None to leave the request as it is."""
        body = self._request.body
        if not self._is_streamed or not self._format.is_asked_for_usage or not isinstance(body, bytes):
            return None
        return asking(body, self._request.headers)

    @guarded
    def answered(self, status_code: int, headers: Mapping[str, str], *, is_decoded: bool = False) -> None:
        """Note the head of the answer; what :meth:`read` gets from here on is its body, encoded as said there."""
        self._status_code = status_code
        self._head = self._format.head(headers)
        self._reading = reading_of(
            self._format,
            headers.get("content-type") or "",
            "" if is_decoded else headers.get("content-encoding") or "",
            streamed=self._is_streamed,
            with_content=self._with_content,
            is_uncounted=self._is_uncounted,
        )

    def read(self, chunk: bytes) -> None:
        """Read a copy of the next bytes that the caller gets."""
        reading = self._reading
        if reading is None:
            return
        # Guarded by hand: it is called for each chunk of a stream.
        try:
            reading.feed(chunk)
        except Exception as error:
            self._reading = None
            report_once(error)
            return
        if reading.is_complete:
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        """End the span with what is known; with an ``error``, as failed."""
        if self._ended:
            return
        self._ended = True
        # Who cancels a call does not mean to try it again.
        has_failed = self._describe_answer() or isinstance(error, Exception)
        if has_failed:
            self._remember_failure()
        end_span(self._span, error)
        if self._turn is not None and not has_failed:
            self._turn.end(self._response, self._span)

    def _start(self, body: Json, context: Context) -> Span:
        wire_format, request = self._format, self._request
        model = wire_format.request_model(request.path, body)
        attributes = known(
            {
                name.OPERATION_NAME: wire_format.operation,
                name.PROVIDER_NAME: provider_of(request.host, request.port, request.path) or wire_format.provider,
                name.REQUEST_MODEL: model,
                name.REQUEST_STREAM: self._is_streamed or None,
                name.SERVER_ADDRESS: request.host,
                name.SERVER_PORT: request.port,
                name.HTTP_REQUEST_METHOD: request.method,
                name.HTTP_REQUEST_RESEND_COUNT: self._resends or None,
                name.LOGICAL_CALL_ID: self._before.logical_call_id if self._before else None,
            }
        )
        name_of_span = f"{wire_format.operation} {model}" if model else wire_format.operation
        attributes |= self._turn.attributes if self._turn is not None else {}
        return start_span(name_of_span, SpanKind.CLIENT, attributes, context, self._started_ns)

    @guarded
    def _describe_answer(self) -> bool:
        """Say whether it is the answer of a failure."""
        response = self._response = {**self._head, **(self._reading.response() if self._reading is not None else {})}
        attributes = self._format.response_attributes(response)
        if self._status_code:
            attributes[name.HTTP_RESPONSE_STATUS_CODE] = self._status_code
        if self._reading is not None and self._reading.first_content_ns is not None:
            waited_s = (self._reading.first_content_ns - self._started_ns) / 1e9
            attributes[name.RESPONSE_TIME_TO_FIRST_CHUNK] = waited_s
        if self._with_content:
            attributes |= _as_json(name.OUTPUT_MESSAGES, self._format.output_messages(response))
        if self._reading is not None and self._reading.spoken_bytes and name.OUTPUT_TOKENS not in attributes:
            attributes |= uncounted.sizes(self._format, self._request.json(), self._reading.spoken_bytes)
        self._span.set_attributes(attributes)
        if self._status_code < 400 and not mapping(response.get("error")):
            return False
        mark_failed(self._span, _error_code(response) or str(self._status_code))
        return True

    @guarded
    def _remember_failure(self) -> None:
        """Whoever repeats it links itself to the first attempt, which gets the id of the call only now."""
        logical_call_id = self._before.logical_call_id if self._before else self._own_id()
        self._span.set_attribute(name.LOGICAL_CALL_ID, logical_call_id)
        resends.remember(resends.Failed(self._identity(), logical_call_id, self._resends, time.monotonic()))

    def _own_id(self) -> str:
        return format_span_id(self._span.get_span_context().span_id)

    def _identity(self) -> Hashable:
        """Equal for the attempts of one call: the SDK's id of it, or the same request of the same caller."""
        request = self._request
        if invocation := request.headers.get(resends.INVOCATION_HEADER):
            return invocation
        body = request.body if isinstance(request.body, bytes) else json.dumps(request.body, default=repr)
        return (self._caller, request.host, request.port, request.path, hash(body))


@guarded
def begin(request: Request) -> Attempt | None:
    """Start following a request, or give None for one that is no LLM call."""
    context = get_current()
    if get_value(FOLLOWED, context) or get_value(_SUPPRESS_INSTRUMENTATION_KEY, context):
        return None
    body = request.json()
    wire_format = format_of(request.path, body)
    return Attempt(wire_format, request, body, context) if wire_format is not None else None


def may_be_read(method: str, path: str) -> bool:
    """Whether a request may be an LLM call, as far as these tell: the quick way out for all the rest."""
    return method == "POST" and path.endswith(PATH_ENDS)


def _as_json(attribute: str, messages: Messages) -> Attributes:
    return {attribute: json.dumps(messages, ensure_ascii=False)} if messages else {}


def _error_code(response: Json) -> str | None:
    """Give the provider's own word for what went wrong: ``insufficient_quota`` says more than 429."""
    error = mapping(response.get("error"))
    for field in ("status", "code", "type"):
        value = error.get(field)
        if isinstance(value, str | int) and CODE.fullmatch(str(value)):
            return str(value)
    return None
