"""A stand-in LLM provider on loopback: real HTTP in the vendors' wire formats, no key, known token counts."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Self

from spanledger_collector.demo import directive
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
from spanledger_collector.demo.identifiers import Identifiers
from spanledger_collector.demo.messages import MESSAGES
from spanledger_collector.demo.responses import RESPONSES
from spanledger_collector.demo.server import HttpAnswer, LoopbackServer
from spanledger_collector.demo.usage import Meter, Usage
from spanledger_collector.errors import BadInputError

APIS: dict[str, Api] = {
    "/v1/chat/completions": CHAT_COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
}
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
    """OpenAI Chat Completions, Responses and Embeddings, and Anthropic Messages, on a free loopback port.

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
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True
        ).start()
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
    def anthropic_base_url(self) -> str:
        """What ``Anthropic(base_url=...)`` takes."""
        if self._server is None:
            raise RuntimeError(
                "the stand-in provider is not started: use it as a context manager, or call start()"
            )
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def openai_base_url(self) -> str:
        """What ``OpenAI(base_url=...)`` takes."""
        return f"{self.anthropic_base_url}/v1"

    @property
    def calls(self) -> list[ProviderCall]:
        """Every HTTP response so far, in the order in which they were given."""
        with self._lock:
            return list(self._calls)

    def _respond(self, path: str, payload: bytes) -> HttpAnswer:
        with self._lock:
            api = APIS.get(path)
            if api is None:
                return self._refuse(
                    NO_API, None, 404, f"the stand-in has no {path}; it has {', '.join(APIS)}"
                )
            request = None
            try:
                request = api.read(_json_object(payload))
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
        return HttpAnswer(200, self._headers(api), frames, request.stream, whole=cut is None)

    def _refuse(self, api: Api, request: Request | None, status: int, message: str) -> HttpAnswer:
        self._record(api, request, status)
        headers = self._headers(api)
        if status == 429 or status >= 500:
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

    def _headers(self, api: Api) -> dict[str, str]:
        if api.provider == "anthropic":
            return {"request-id": self._identifiers.new("req_01", 22)}
        return {"x-request-id": self._identifiers.new("req_", 32)}


def _json_object(payload: bytes) -> Json:
    try:
        body = json.loads(payload)
    except ValueError as problem:
        raise BadInputError("the request body is no JSON") from problem
    if not isinstance(body, dict):
        raise BadInputError("the request body is no JSON object")
    return body
