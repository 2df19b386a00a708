"""The contract of an HTTP client: the same request is the same span, and the caller sees what it would without us."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

import spanledger
from spanledger import uninstrument
from spanledger.wire.clients import CLIENTS


@pytest.fixture
def chat(recorded_case: Any) -> Any:
    """A streamed chat completion."""
    return recorded_case("chat_stream")


async def test_each_call_is_one_span_with_all_that_is_known(client, case, provider, only_span, span_of):
    """Whatever the client, a call is one CLIENT span whose attributes are the case's, and no others."""
    provider.will_answer_case(case)
    path = quote(case["path"], safe="/:")
    async with client.post(f"{provider.url}{path}?{case.get('query', '')}", case["request"]) as response:
        assert response.status == 200
        assert await response.body() == b"".join(provider.answers[0].pieces)
    assert only_span() == span_of(case)


async def test_the_caller_sees_the_same_with_and_without(client, case, provider, spans):
    """Status and bytes that come back, headers and bytes that go out, are the same with and without us."""
    provider.will_answer_case(case)
    seen = []
    for _ in range(2):
        async with client.post(provider.url + case["path"], case["request"]) as response:
            seen.append((response.status, await response.body()))
        uninstrument()
    assert seen[0] == seen[1]
    assert provider.requests[0] == provider.requests[1]
    assert len(spans.finished()) == 1


async def test_chunks_reach_the_caller_as_they_come(client, provider, spans, chat):
    """The caller has the first events while the provider still holds the rest back."""
    gate = threading.Event()
    provider.will_stream([*chat["events"][:2], gate, *chat["events"][2:]])
    async with client.post(provider.url + chat["path"], chat["request"]) as response:
        first = b""
        while b"It is" not in first:
            first += await anext(response.chunks)
        assert not spans.finished()
        gate.set()
        assert (await response.body()).endswith(b"[DONE]\n\n")
    assert spans.snapshot()[0]["attributes"]["gen_ai.usage.output_tokens"] == 210


async def test_an_abandoned_stream_ends_with_what_is_known(client, provider, spans, recorded_case):
    """Who leaves a stream ends its span, which has what had come, and is no failure."""
    case = recorded_case("messages_stream")
    gate = threading.Event()
    provider.will_stream([*case["events"][:5], gate])
    async with client.post(provider.url + case["path"], case["request"]) as response:
        seen = b""
        while b"content_block_delta" not in seen:
            seen += await anext(response.chunks)
    gate.set()
    (span,) = spans.snapshot()
    assert span["status"] == "UNSET"
    assert span["attributes"]["gen_ai.usage.input_tokens"] == 5000
    assert "gen_ai.usage.output_tokens" not in span["attributes"]


async def test_a_stream_that_is_dropped_ends_too(client, provider, spans, chat):
    """A response that is opened and never read ends its span when it is gone."""
    provider.will_answer_case(chat)
    async with client.post(provider.url + chat["path"], chat["request"]) as response:
        assert response.status == 200
    del response
    gc.collect()
    assert spans.snapshot()[0]["attributes"]["http.response.status_code"] == 200


async def test_a_broken_stream_raises_as_without_us(client, provider, spans, chat):
    """The caller sees the client's own error, the same as without us; the span has it, and what came before."""
    provider.will_stream(chat["events"][:2], breaks=True)
    raised = []
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            async with client.post(provider.url + chat["path"], chat["request"]) as response:
                await response.body()
        raised.append((caught.type, caught.value.args[:1]))
        uninstrument()
    assert [kind for kind, _ in raised] == [raised[1][0]] * 2
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", client.breaks)
    assert span["attributes"]["gen_ai.response.id"] == "chatcmpl-2"


async def test_a_connection_that_fails_is_a_failed_attempt(client, spans, chat):
    """Nobody listening: the client's own error for the caller, its class on the span."""
    with pytest.raises(Exception, match=r"."):
        async with client.post("http://127.0.0.1:1/v1/chat/completions", chat["request"]):
            pass
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", client.cannot_connect)


@pytest.mark.parametrize("events_before", [0, 2], ids=["before the first event", "within"])
async def test_a_cancelled_stream_ends_with_the_cancellation(client, events_before, provider, spans, chat):
    """Cancelling the task that reads raises CancelledError there, and the span says so."""
    if not client.is_async:
        pytest.skip("a sync call cannot be cancelled")
    gate, arrived = threading.Event(), asyncio.Event()
    provider.will_stream([*chat["events"][:events_before], gate])

    async def read() -> None:
        async with client.post(provider.url + chat["path"], chat["request"]) as response:
            if not events_before:
                arrived.set()
            async for _chunk in response.chunks:
                arrived.set()

    reader = asyncio.create_task(read())
    await arrived.wait()
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    gate.set()
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "asyncio.exceptions.CancelledError")


async def test_attempts_of_one_request_are_linked(client, provider, spans, recorded_case):
    """A request that follows its own failures is one logical call; what comes after its success is another."""
    case = recorded_case("chat_plain")
    provider.will_answer({"error": {"code": "rate_limit_exceeded"}}, 429)
    provider.will_answer({"error": {"code": "overloaded"}}, 503)
    provider.will_answer_case(case)
    for _ in range(4):
        async with client.post(provider.url + case["path"], case["request"]) as response:
            await response.body()
    assert [
        (
            span["attributes"].get("http.request.resend_count"),
            span["attributes"].get("spanledger.logical_call.id"),
            span["attributes"].get("error.type"),
        )
        for span in spans.snapshot()
    ] == [
        (None, f"{1:016x}", "rate_limit_exceeded"),
        (1, f"{1:016x}", "overloaded"),
        (2, f"{1:016x}", None),
        (None, None, None),
    ]


@pytest.mark.parametrize("breaks", [False, True], ids=["ends", "breaks"])
def test_an_answer_that_urllib3_reads_at_once(breaks, provider, spans, chat):
    """A pool that reads the body before it gives the answer, and tries again by itself: a span an attempt, all read."""
    provider.will_answer({"error": {"code": "overloaded"}}, 503)
    provider.will_answer_case(chat, breaks=breaks)
    urllib3 = pytest.importorskip("urllib3")
    retries = urllib3.Retry(1, allowed_methods=None, status_forcelist=[503], backoff_factor=0)
    with urllib3.PoolManager(retries=retries) as pool:
        ask = {"body": json.dumps(chat["request"]), "headers": {"content-type": "application/json"}}
        try:
            answer = pool.request("POST", provider.url + chat["path"], **ask).data
        except urllib3.exceptions.HTTPError:
            answer = None
    failed, answered = (span["attributes"] for span in spans.snapshot())
    assert (failed["error.type"], answered["http.request.resend_count"]) == ("overloaded", 1)
    if breaks:
        assert (answer, answered["error.type"]) == (None, "urllib3.exceptions.ProtocolError")
    else:
        assert answer == b"".join(provider.answers[0].pieces)
        assert answered["gen_ai.usage.output_tokens"] == 210


@pytest.mark.parametrize("first", [503, None], ids=["refused", "no connection"])
async def test_a_middleware_of_aiohttp_that_tries_again(first, provider, spans, chat, monkeypatch):
    """Each attempt that a session's middleware makes is a span of one logical call, beside the others."""
    aiohttp = pytest.importorskip("aiohttp", minversion="3.12")
    if first:
        provider.will_answer({"error": {"code": "overloaded"}}, first)
    provider.will_answer_case(chat)
    broken = [] if first else [OSError("no connection")]

    class Connector(aiohttp.TCPConnector):
        async def _create_connection(self, *args, **kwargs):
            if broken:
                raise broken.pop()
            return await super()._create_connection(*args, **kwargs)

    async def again(request, handler):
        try:
            response = await handler(request)
        except OSError:
            return await handler(request)
        if response.ok:
            return response
        await response.read()
        return await handler(request)

    with spanledger.agent("asker") as asker:
        async with (
            aiohttp.ClientSession(connector=Connector(), middlewares=(again,)) as session,
            session.post(provider.url + chat["path"], json=chat["request"]) as response,
        ):
            assert await response.read() == b"".join(provider.answers[0].pieces)
        assert trace.get_current_span() is asker
    failed, answered, _ = spans.snapshot()
    assert failed["parent"] == answered["parent"] == asker.get_span_context().span_id
    assert failed["attributes"]["error.type"] == ("overloaded" if first else "OSError")
    assert failed["attributes"]["spanledger.logical_call.id"] == answered["attributes"]["spanledger.logical_call.id"]
    assert answered["attributes"]["http.request.resend_count"] == 1
    assert answered["attributes"]["gen_ai.usage.output_tokens"] == 210


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("first", [503, None], ids=["refused", "no connection"])
@pytest.mark.parametrize("name", ["httpx", "httpx2"])
async def test_a_transport_that_tries_again(name, first, is_async, provider, spans, chat):
    """Each attempt that a transport makes below the client is a span of one logical call, beside the others."""
    httpx = pytest.importorskip(name)
    if first:
        provider.will_answer({"error": {"code": "overloaded"}}, first)
    provider.will_answer_case(chat)
    url = httpx.URL(provider.url)

    class Again(httpx.HTTPTransport):
        def handle_request(self, request):
            request.url = request.url.copy_with(port=url.port if first else 1)
            with contextlib.suppress(httpx.ConnectError):
                super().handle_request(request).close()
            request.url = request.url.copy_with(port=url.port)
            return super().handle_request(request)

    class AgainAsync(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            request.url = request.url.copy_with(port=url.port if first else 1)
            with contextlib.suppress(httpx.ConnectError):
                await (await super().handle_async_request(request)).aclose()
            request.url = request.url.copy_with(port=url.port)
            return await super().handle_async_request(request)

    ask = {"url": provider.url + chat["path"], "json": chat["request"]}
    with spanledger.agent("asker") as asker:
        if is_async:
            async with httpx.AsyncClient(transport=AgainAsync()) as client:
                answer = (await client.post(**ask)).content
        else:
            with httpx.Client(transport=Again()) as client:
                answer = client.post(**ask).content
        assert trace.get_current_span() is asker
    assert answer == b"".join(provider.answers[0].pieces)
    failed, answered, _ = spans.snapshot()
    assert failed["parent"] == answered["parent"] == asker.get_span_context().span_id
    assert failed["attributes"]["error.type"] == (str(first) if first else f"{name}.ConnectError")
    assert failed["attributes"]["spanledger.logical_call.id"] == answered["attributes"]["spanledger.logical_call.id"]
    assert answered["attributes"]["http.request.resend_count"] == 1
    assert answered["attributes"]["gen_ai.usage.output_tokens"] == 210


@pytest.mark.parametrize("path", ["/other/chat/completions", "/elsewhere"])
async def test_a_redirect_in_aiohttp_is_not_another_attempt(path, provider, spans, chat):
    """A call that a provider sends elsewhere is one span, with the answer from there."""
    aiohttp = pytest.importorskip("aiohttp")
    provider.will_answer(b"", 307, location=path)
    provider.will_answer_case(chat)
    async with (
        aiohttp.ClientSession() as session,
        session.post(provider.url + chat["path"], json=chat["request"]) as it,
    ):
        await it.read()
    (span,) = spans.snapshot()
    assert span["attributes"]["http.response.status_code"] == 200
    assert span["attributes"]["gen_ai.usage.output_tokens"] == 210


async def test_other_traffic_passes_unread(client, provider, spans):
    """A request that lacks the path or the shape of an LLM call makes no span."""
    provider.will_answer(b"anything", 418)
    for path, body in (("/v1/moderations", {"input": "x"}), ("/v1/chat/completions", [1])):
        async with client.post(provider.url + path, body) as response:
            assert (response.status, await response.body()) == (418, b"anything")
    assert spans.snapshot() == []


async def test_suppressed_instrumentation_is_obeyed(client, provider, spans, chat):
    """Where OpenTelemetry's suppression key is set, calls pass without a span."""
    provider.will_answer_case(chat)
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    async with client.post(provider.url + chat["path"], chat["request"]) as response:
        await response.body()
    detach(token)
    assert spans.snapshot() == []


@pytest.mark.parametrize("patch", CLIENTS.patches, ids=lambda patch: f"{patch.module}.{patch.target}")
def test_clients_are_given_back_whole(patch):
    """Each function is wrapped while we watch, and is the very same before and after."""
    module = pytest.importorskip(patch.module)
    class_name, method = patch.target.split(".")
    functions = vars(getattr(module, class_name))
    if method not in functions:
        pytest.skip("another version has it")
    CLIENTS.stop()
    before = functions[method]
    CLIENTS.start()
    watched = functions[method]
    CLIENTS.stop()
    assert functions[method] is before
    assert watched is not before
    assert watched.__wrapped__ is before
