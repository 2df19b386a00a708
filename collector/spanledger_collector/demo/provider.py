"""A stand-in LLM provider on loopback: real HTTP in the vendors' wire formats, no key, known token counts."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Self
from urllib.parse import unquote

from spanledger_collector.demo import directive
from spanledger_collector.demo.bedrock import CONVERSE, ERROR_TYPES, INVOKE_MODEL
from spanledger_collector.demo.chat_completions import CHAT_COMPLETIONS
from spanledger_collector.demo.embeddings import EMBEDDINGS
from spanledger_collector.demo.exchange import (
    Api,
    Failure,
    Json,
    Reply,
    Request,
    compact_json,
    response_model,
)
from spanledger_collector.demo.generate_content import GENERATE_CONTENT
from spanledger_collector.demo.identifiers import HEX_DIGITS, Identifiers
from spanledger_collector.demo.messages import MESSAGES
from spanledger_collector.demo.responses import RESPONSES
from spanledger_collector.demo.server import HttpAnswer, LoopbackServer
from spanledger_collector.demo.usage import Meter, Usage
from spanledger_collector.errors import BadInputError

ROUTES: dict[str, Api] = {
    "/v1/chat/completions": CHAT_COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
    "/v1(beta)?/models/(?P<model>[^/]+):(?P<operation>(generate|streamGenerate)Content)": GENERATE_CONTENT,
    "/model/(?P<model>.+)/(?P<operation>converse(-stream)?)": CONVERSE,
    "/model/(?P<model>.+)/(?P<operation>invoke(-with-response-stream)?)": INVOKE_MODEL,
}
"""Patterns of whole paths; what they name becomes a part of the body."""
NO_API = replace(CHAT_COMPLETIONS, provider="", name="")
RETRY_HEADERS = {"retry-after-ms": "10", "retry-after": "1"}
"""What a failure tells a client to wait: the SDKs prefer the milliseconds."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One HTTP response that the provider gave: the truth that a ledger is compared with.

    Token counts follow the ledger's convention and are zero where nothing is billed. ``usage_reported`` says
    whether the final usage was sent: not in a stream that did not ask for it, nor in one cut before it.
    """

    provider: str
    api: str
    request_model: str
    response_model: str
    response_id: str
    stream: bool
    http_status: int
    billable: bool
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_reported: bool


class StandInProvider:
    """APIs of OpenAI, Anthropic, Google (Gemini) and Amazon (Bedrock), on a free loopback port: see ``ROUTES``.

    ``brain`` says what to answer, one request at a time; the default obeys a directive in the last user
    message (see ``directive``). The response ids follow from ``seed`` and a random part of each instance.

    Use it as a context manager, or call ``start`` and ``stop``::

        with StandInProvider() as provider:
            OpenAI(base_url=provider.openai_base_url, api_key="any")
    """

    def __init__(self, brain: Callable[[Request], Reply] = directive.obey, *, seed: int = 0) -> None:
        self._brain = brain
        self._identifiers = Identifiers(seed)
        self._meter = Meter()
        self._attempts: Counter[bytes] = Counter()
        self._calls: list[ProviderCall] = []
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None

    def start(self) -> Self:
        """Listen, and serve from a thread of its own."""
        self._server = LoopbackServer(self._respond)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening; ``calls`` stays readable."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The address alone: what the SDKs of Anthropic, Google and Amazon take."""
        if self._server is None:
            raise RuntimeError("the stand-in provider is not started: use it as a context manager, or call start()")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def anthropic_base_url(self) -> str:
        """What ``Anthropic(base_url=...)`` takes."""
        return self.base_url

    @property
    def openai_base_url(self) -> str:
        """What ``OpenAI(base_url=...)`` takes."""
        return f"{self.base_url}/v1"

    @property
    def calls(self) -> list[ProviderCall]:
        """Every HTTP response so far, in the order in which they were given."""
        with self._lock:
            return list(self._calls)

    def _respond(self, path: str, payload: bytes) -> HttpAnswer:
        with self._lock:
            api, named = _route(unquote(path))
            if api is NO_API:
                return self._refuse(api, None, 404, f"the stand-in has no {path}; it has {', '.join(ROUTES)}")
            request = None
            try:
                request = api.read(_json_object(payload) | named)
                reply = self._brain(request)
                if reply.failure and self._fails(reply.failure, payload):
                    return self._refuse(api, request, reply.failure.status, "scripted failure")
                return self._answer(api, request, reply)
            except BadInputError as problem:
                return self._refuse(api, request, 400, str(problem))

    def _answer(self, api: Api, request: Request, reply: Reply) -> HttpAnswer:
        usage = self._meter.measure(request, reply)
        answer = api.answer(request, reply, usage, self._identifiers)
        cut = reply.break_after_events if request.stream else None
        frames = answer.frames[:cut]
        usage_reported = answer.usage_frame is not None and answer.usage_frame < len(frames)
        # Recorded before a byte is sent: whoever has read the answer finds it in `calls`.
        self._record(api, request, 200, usage, response_id=answer.response_id, usage_reported=usage_reported)
        headers = self._headers(api, answer.response_id)
        return HttpAnswer(200, headers, frames, api.stream_type if request.stream else "", whole=cut is None)

    def _refuse(self, api: Api, request: Request | None, status: int, message: str) -> HttpAnswer:
        self._record(api, request, status)
        headers = self._headers(api)
        if api.provider == "aws.bedrock":
            headers["x-amzn-errortype"] = ERROR_TYPES.get(status, "InternalServerException")
        elif status == 429 or status >= 500:
            headers |= RETRY_HEADERS
        return HttpAnswer(status, headers, (compact_json(api.error(status, message)).encode(),))

    def _record(
        self,
        api: Api,
        request: Request | None,
        http_status: int,
        usage: Usage | None = None,
        *,
        response_id: str = "",
        usage_reported: bool = False,
    ) -> None:
        call = ProviderCall(
            provider=api.provider,
            api=api.name,
            request_model=request.model if request else "",
            response_model=response_model(request) if request and usage else "",
            response_id=response_id,
            stream=request is not None and request.stream,
            http_status=http_status,
            billable=usage is not None,
            usage_reported=usage_reported,
            **asdict(usage or Usage(0)),
        )
        self._calls.append(call)

    def _fails(self, failure: Failure, payload: bytes) -> bool:
        request_digest = blake2b(payload, digest_size=16).digest()
        self._attempts[request_digest] += 1
        return failure.times is None or self._attempts[request_digest] <= failure.times

    def _headers(self, api: Api, response_id: str = "") -> dict[str, str]:
        if api.provider == "aws.bedrock":
            return {"x-amzn-requestid": response_id or self._identifiers.new("", 32, HEX_DIGITS)}
        if api.provider == "anthropic":
            return {"request-id": self._identifiers.new("req_01", 22)}
        return {"x-request-id": self._identifiers.new("req_", 32)}


def _route(path: str) -> tuple[Api, dict[str, str]]:
    """The API of a path, and what the path says."""
    for pattern, api in ROUTES.items():
        if match := re.fullmatch(pattern, path):
            return api, match.groupdict()
    return NO_API, {}


def _json_object(payload: bytes) -> Json:
    try:
        body = json.loads(payload)
    except ValueError as problem:
        raise BadInputError("the request body is no JSON") from problem
    if not isinstance(body, dict):
        raise BadInputError("the request body is no JSON object")
    return body
