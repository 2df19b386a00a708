"""Streams: nothing is delayed or changed, and however one ends, its span ends with what is known."""

from __future__ import annotations

import asyncio
import gc
import gzip
import threading
import zlib
from datetime import timedelta
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from spanledger import uninstrument

ZERO = timedelta(0)
KEYS = {"api_key": "test", "max_retries": 0}
MODULES = pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])


def only_attributes(spans: Any) -> dict[str, Any]:
    """Give the attributes of the only span there is."""
    (span,) = spans.snapshot()
    return span["attributes"]


@pytest.fixture
def chat(recorded_case):
    """A streamed chat completion: where it goes, what it asks, and the events of its answer."""
    return recorded_case("chat_stream")


def deflate_raw(data: bytes) -> bytes:
    """Compress without zlib's header, as some servers do."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@MODULES
def test_chunks_reach_the_caller_as_they_come(module, provider, spans, chat):
    """The caller has the first event while the provider still holds the rest back."""
    gate = threading.Event()
    provider.will_stream([*chat["events"][:2], gate, *chat["events"][2:]])
    with (
        module.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
    ):
        chunks = response.iter_raw()
        assert b"It is" in next(chunks) + next(chunks)
        assert not spans.finished()
        gate.set()
        rest = b"".join(chunks)
    assert rest.endswith(b"[DONE]\n\n")
    assert only_attributes(spans)["gen_ai.usage.output_tokens"] == 210


@MODULES
@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_events_are_read_however_the_bytes_are_cut(module, size, line_end, provider, spans, chat):
    """Chunks that end anywhere, in either kind of line, give the caller the same bytes and us the same usage."""
    provider.will_answer_case(chat)
    whole = b"".join(provider.answers[0].pieces).replace(b"\n", line_end)
    provider.answers[0].pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    with (
        module.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
    ):
        assert b"".join(response.iter_raw()) == whole
    attributes = only_attributes(spans)
    assert {name: attributes[name] for name in chat["attributes"]} == chat["attributes"]


@MODULES
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", deflate_raw), ("identity", bytes)],
)
def test_compressed_streams_are_read_on_a_copy(module, encoding, compress, provider, spans, chat):
    """The caller gets the compressed bytes as they were; usage is read all the same."""
    provider.will_answer_case(chat)
    packed = compress(b"".join(provider.answers[0].pieces))
    provider.answers.clear()
    provider.will_stream([packed[:10], packed[10:]], encoding=encoding)
    with (
        module.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
    ):
        assert b"".join(response.iter_raw()) == packed
    assert only_attributes(spans)["gen_ai.usage.input_tokens"] == 1500


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_bytes_that_cannot_be_decoded_are_let_go(encoding, provider, spans, chat, caplog):
    """An unknown or a lying encoding costs the span its usage, and nobody anything else."""
    provider.will_stream([b"not ", b"compressed"], encoding=encoding)
    with (
        httpx2.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
    ):
        assert b"".join(response.iter_raw()) == b"not compressed"
    attributes = only_attributes(spans)
    assert attributes["http.response.status_code"] == 200
    assert "gen_ai.usage.input_tokens" not in attributes
    assert not [record for record in caplog.records if record.name == "spanledger"]


def test_an_abandoned_stream_ends_with_what_is_known(provider, spans, recorded_case):
    """Input is known from the first event; the output is unknown, not the placeholder that came with it."""
    case = recorded_case("messages_stream")
    provider.will_answer_case(case)
    with anthropic.Anthropic(base_url=provider.url, **KEYS) as client:
        stream = client.messages.create(**case["request"])
        for event in stream:
            if event.type == "content_block_delta":
                break
        stream.close()
    (span,) = spans.snapshot()
    assert span["status"] == "UNSET"
    assert span["attributes"]["gen_ai.usage.input_tokens"] == 5000
    assert span["attributes"]["gen_ai.response.id"] == "msg_1"
    assert "gen_ai.usage.output_tokens" not in span["attributes"]
    assert "gen_ai.response.finish_reasons" not in span["attributes"]


async def test_an_abandoned_async_stream_ends_too(provider, spans, chat):
    """Leaving the loop of an async stream early ends its span when the stream is closed."""
    provider.will_answer_case(chat)
    async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", **KEYS) as client:
        stream = await client.chat.completions.create(**chat["request"])
        async for _chunk in stream:
            break
        await stream.close()
    assert only_attributes(spans)["gen_ai.response.id"] == "chatcmpl-2"


@MODULES
def test_a_stream_that_is_dropped_ends_too(module, provider, spans, chat):
    """A response that nobody reads or closes ends its span when it is gone."""
    provider.will_answer_case(chat)
    client = module.Client()
    request = client.build_request("POST", provider.url + chat["path"], json=chat["request"])
    response = client.send(request, stream=True)
    assert not spans.finished()
    del response
    gc.collect()
    assert only_attributes(spans)["http.response.status_code"] == 200


@MODULES
def test_a_broken_stream_raises_as_without_us(module, provider, spans, chat):
    """The caller sees the client's own error; the span has it too, and what came before."""
    provider.will_stream(chat["events"][:2], breaks=True)
    with (
        module.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
        pytest.raises(module.RemoteProtocolError),
    ):
        list(response.iter_bytes())
    (span,) = spans.snapshot()
    assert span["status"] == "ERROR"
    assert span["attributes"]["error.type"] == f"{module.__name__}.RemoteProtocolError"
    assert span["attributes"]["gen_ai.response.id"] == "chatcmpl-2"


@MODULES
@pytest.mark.parametrize("events_before", [0, 2], ids=["before the first event", "within"])
async def test_a_cancelled_stream_ends_with_the_cancellation(module, events_before, provider, spans, chat):
    """Cancelling the task that reads raises CancelledError there, and the span says so."""
    gate = threading.Event()
    provider.will_stream([*chat["events"][:events_before], gate])
    arrived = asyncio.Event()

    async def read() -> None:
        async with (
            module.AsyncClient() as client,
            client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
        ):
            if not events_before:
                arrived.set()
            async for _chunk in response.aiter_bytes():
                arrived.set()

    reader = asyncio.create_task(read())
    await arrived.wait()
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    gate.set()
    (span,) = spans.snapshot()
    assert span["attributes"]["error.type"] == "asyncio.exceptions.CancelledError"
    assert span["status"] == "ERROR"


def test_an_error_event_marks_the_span(provider, spans, recorded_case):
    """A stream that turns into an error is a failed call with the provider's word for it."""
    case = recorded_case("messages_stream")
    provider.will_stream([case["events"][0], {"type": "error", "error": {"type": "overloaded_error"}}])
    with anthropic.Anthropic(base_url=provider.url, **KEYS) as client, pytest.raises(anthropic.APIError):
        list(client.messages.create(**case["request"]))
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "overloaded_error")


@MODULES
@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: {half a fra"],
        [b"data: 17\n\ndata: [1, 2]\n\ndata: null\n\n"],
        [b'data: {"choices": 5, "usage": "none", "id": {}}\n\n'],
        [b'data: {"choices": [{"delta": [], "index": []}], "usage": {"prompt_tokens": -1}}\n\n'],
        [b"\xff\xfe\x00", b"\n\n\n", b"data:\n\n"],
        [b"[" * 100_000],
        [b"data: " + b"[" * 100_000 + b"\n\n"],
    ],
)
@pytest.mark.parametrize("name", ["chat_stream", "responses_stream", "messages_stream"])
async def test_garbage_passes_as_it_came(module, pieces, name, provider, spans, recorded_case):
    """Whatever comes under the name of events, the caller gets it byte for byte, with a span that claims nothing."""
    case = recorded_case(name)
    provider.will_stream(pieces)
    async with (
        module.AsyncClient() as client,
        client.stream("POST", provider.url + case["path"], json=case["request"]) as response,
    ):
        assert b"".join([chunk async for chunk in response.aiter_raw()]) == b"".join(pieces)
    attributes = only_attributes(spans)
    assert not [key for key in attributes if key.startswith(("gen_ai.usage", "gen_ai.response.id"))]


@MODULES
async def test_the_caller_sees_the_same_with_and_without(module, case, provider, spans):
    """Status, headers, raw chunks and the end of a response are the same with and without instrumentation."""

    async def seen() -> list[Any]:
        async with (
            module.AsyncClient() as client,
            client.stream("POST", provider.url + case["path"], json=case["request"]) as response,
        ):
            head = [response.status_code, response.headers.get("content-type"), response.is_closed]
            body = b"".join([chunk async for chunk in response.aiter_raw()])
            assert isinstance(response.stream, module.AsyncByteStream)
            return [*head, body, response.is_closed, response.num_bytes_downloaded, response.elapsed > ZERO]

    provider.will_answer_case(case)
    with_us = await seen()
    uninstrument()
    assert await seen() == with_us
    assert provider.requests[0]["body"] == provider.requests[1]["body"]
    assert provider.requests[0]["headers"] == provider.requests[1]["headers"]
    assert len(spans.finished()) == 1


@MODULES
@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_what_is_too_large_is_not_kept(module, content_type, encoding, provider, spans, chat, monkeypatch, caplog):
    """A body beyond the limit, or one that inflates beyond it, passes whole and is read no further."""
    for reader in ("decoding", "reading", "splitting"):
        monkeypatch.setattr(f"spanledger.wire.{reader}.LARGEST_BYTES", 100)
    body = b'data: {"usage": {"prompt_tokens": 1}, "x": "' + b"x" * 1000 + b'"}\n\n'
    packed = gzip.compress(body) if encoding else body
    provider.will_answer(packed[:50] + packed[50:], content_type=content_type, content_encoding=encoding)
    with (
        module.Client() as client,
        client.stream("POST", provider.url + chat["path"], json=chat["request"]) as response,
    ):
        assert b"".join(response.iter_raw()) == packed
    assert only_attributes(spans)["http.response.status_code"] == 200
    assert not [record for record in caplog.records if record.name == "spanledger"]
