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
    set_value,
)
from opentelemetry.trace import Span, SpanContext, SpanKind, format_span_id, get_current_span, set_span_in_context

from spanledger import attributes as name
from spanledger import clock
from spanledger.capture import content_is_captured
from spanledger.guard import guarded, report_once
from spanledger.identity import identity_of
from spanledger.tracing import end_span, mark_failed, start_span
from spanledger.wire import resends, uncounted
from spanledger.wire.decoding import LARGEST_BYTES
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, mapping, parse_object
from spanledger.wire.formats import PATH_ENDS, format_of
from spanledger.wire.providers import provider_of
from spanledger.wire.reading import Reading, reading_of
from spanledger.wire.stream_usage import asking
from spanledger.wire.turn import Turn

FOLLOWED = create_key("spanledger-followed")
"""Set in the context below an attempt, to what follows it: a client that sends by another client is followed once."""

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

    __slots__ = (
        "_before",
        "_caller",
        "_format",
        "_head",
        "_is_ended",
        "_is_streamed",
        "_is_uncounted",
        "_reading",
        "_request",
        "_resends",
        "_response",
        "_span",
        "_started_ns",
        "_status_code",
        "_turn",
        "_with_content",
    )

    def __init__(self, wire_format: WireFormat, request: Request, body: Json, context: Context) -> None:
        self._format = wire_format
        self._request = request
        self._with_content = content_is_captured()
        self._reading: Reading | None = None
        self._head: Json = {}
        self._response: Json = {}
        self._status_code = 0
        self._is_ended = False
        self._started_ns = clock.now_ns()
        caller = get_current_span(context).get_span_context()
        self._caller = caller.span_id
        self._turn = self._begin_turn(body, context, caller)
        self._is_streamed = wire_format.is_streamed(request.path, body)
        self._is_uncounted = self._is_streamed and uncounted.is_uncounted(wire_format, body)
        self._resends = resends.stated_resends(request.headers)
        self._before: resends.Failed | None = None
        if resends.anything_failed():
            self._before = resends.failed_before(self._identity())
            if self._before is not None:
                self._resends = max(self._resends, self._before.resend_count + 1)
        self._span = self._start(body, context)
        if self._with_content:
            self._span.set_attributes(
                {
                    **_as_json(name.SYSTEM_INSTRUCTIONS, wire_format.system_instructions(body)),
                    **_as_json(name.INPUT_MESSAGES, wire_format.input_messages(body)),
                }
            )

    def context(self, followed_by: object = True) -> Context:
        """Give the context of what the client does; ``followed_by`` is found there under :data:`FOLLOWED`."""
        return set_value(FOLLOWED, followed_by, set_span_in_context(self._span))

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

    def answered_whole(self, status_code: int, headers: Mapping[str, str], body: bytes) -> None:
        """Read an answer that is here, decoded, and end the span."""
        self._status_code = status_code
        try:
            if not self._is_streamed and len(body) <= LARGEST_BYTES and "json" in (headers.get("content-type") or ""):
                self._head = {**self._format.head(headers), **parse_object(body)}
            else:
                self.answered(status_code, headers, is_decoded=True)
                self.read(body)
        except Exception as error:
            report_once(error)
        self.end()

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
        if self._is_ended:
            return
        self._is_ended = True
        try:
            has_failed = self._describe_answer()
        except Exception as failure:
            report_once(failure)
            has_failed = False
        # Who cancels a call does not mean to try it again.
        has_failed = has_failed or isinstance(error, Exception)
        if has_failed:
            self._remember_failure()
        end_span(self._span, error)
        if self._turn is not None and not has_failed:
            self._turn.end(self._response, self._span)

    def _begin_turn(self, body: Json, context: Context, caller: SpanContext) -> Turn | None:
        """Begin a step of a conversation; embeddings are none."""
        if self._format.operation == "embeddings":
            return None
        try:
            return Turn(self._format, body, self._started_ns, identity_of(context), caller)
        except Exception as error:
            report_once(error)
            return None

    def _start(self, body: Json, context: Context) -> Span:
        wire_format, request = self._format, self._request
        operation = name_of_span = wire_format.operation
        attributes: Attributes = {
            name.OPERATION_NAME: operation,
            name.PROVIDER_NAME: provider_of(request.host, request.port, request.path) or wire_format.provider,
            name.SERVER_ADDRESS: request.host,
            name.SERVER_PORT: request.port,
        }
        if model := wire_format.request_model(request.path, body):
            attributes[name.REQUEST_MODEL] = model
            name_of_span = f"{operation} {model}"
        if self._is_streamed:
            attributes[name.REQUEST_STREAM] = True
        if self._resends:
            attributes[name.HTTP_REQUEST_RESEND_COUNT] = self._resends
        if self._before is not None:
            attributes[name.LOGICAL_CALL_ID] = self._before.logical_call_id
        if self._turn is not None:
            attributes.update(self._turn.attributes)
        return start_span(name_of_span, SpanKind.CLIENT, attributes, context, self._started_ns)

    def _describe_answer(self) -> bool:
        """Say whether it is the answer of a failure."""
        reading, response = self._reading, self._head
        if reading is not None:
            response = {**response, **reading.response()} if response else reading.response()
        self._response = response
        attributes = self._format.response_attributes(response)
        if self._status_code:
            attributes[name.HTTP_RESPONSE_STATUS_CODE] = self._status_code
        if reading is not None:
            if reading.first_content_ns is not None:
                waited_s = (reading.first_content_ns - self._started_ns) / 1e9
                attributes[name.RESPONSE_TIME_TO_FIRST_CHUNK] = waited_s
            if self._is_uncounted and name.OUTPUT_TOKENS not in attributes and (spoken := reading.spoken_bytes()):
                attributes.update(uncounted.sizes(self._format, self._request.json(), spoken))
        if self._with_content:
            attributes.update(_as_json(name.OUTPUT_MESSAGES, self._format.output_messages(response)))
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


def begin(request: Request) -> Attempt | None:
    """Start following a request, or give None for one that is no LLM call. May raise; its callers are guarded."""
    context = get_current()
    if context and (context.get(FOLLOWED) or context.get(_SUPPRESS_INSTRUMENTATION_KEY)):
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
