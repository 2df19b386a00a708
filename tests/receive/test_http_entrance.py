"""OTLP/HTTP: answers, refusals, compression and limits, through a real socket."""

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spanledger_collector.errors import PermanentError, StoreUnavailableError
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.otlp_json import to_json
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit, Outcome

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
COMPRESSORS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
MakeRequest = Callable[..., ExportTraceServiceRequest]


@pytest.fixture
async def client(servers: OtlpServers) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps its connection to the HTTP entrance."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{servers.http_port}", trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
async def test_every_signal_has_its_path(path: str, client: httpx.AsyncClient, submit: InMemorySubmit) -> None:
    """Each path takes both formats, and full success is an empty response in the format of the request."""
    empty_protobuf = await client.post(path, headers=PROTOBUF)
    empty_json = await client.post(path, headers=JSON, content=b"{}")
    assert (empty_protobuf.status_code, empty_protobuf.content) == (200, b"")
    assert (empty_json.status_code, empty_json.json()) == (200, {})
    assert empty_protobuf.headers["content-type"] == "application/x-protobuf"
    assert empty_json.headers["content-type"] == "application/json"
    assert [request.signal for request in submit.requests] == [path.removeprefix("/v1/")] * 2


async def test_json_of_a_real_emitter_is_taken(client: httpx.AsyncClient, submit: InMemorySubmit, corpus: Path) -> None:
    """A request as the Gemini CLI sends it comes through with its ids, and its size is that of the JSON."""
    body = (corpus / "gemini_cli" / "traces-002.json").read_bytes()
    answer = await client.post("/v1/traces", content=body, headers={"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 200
    [received] = submit.requests
    sent = json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans = received.body.resource_spans[0].scope_spans[0].spans
    assert [(span.trace_id.hex(), span.span_id.hex()) for span in spans] == [
        (span["traceId"], span["spanId"]) for span in sent
    ]
    assert received.size_bytes == len(body)


@pytest.mark.parametrize("encoding", COMPRESSORS)
@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
async def test_compressed_bodies_are_taken(
    encoding: str,
    headers: dict[str, str],
    client: httpx.AsyncClient,
    submit: InMemorySubmit,
    make_request: MakeRequest,
) -> None:
    """Every content encoding gives the same request as the plain body."""
    request = make_request()
    plain = request.SerializeToString() if headers is PROTOBUF else to_json(request)
    body = COMPRESSORS[encoding](plain)
    answer = await client.post("/v1/traces", content=body, headers={**headers, "content-encoding": encoding})
    assert answer.status_code == 200
    assert [received.body for received in submit.requests] == [request]
    assert submit.requests[0].size_bytes == len(plain)


async def test_a_chunked_body_on_a_kept_connection(
    client: httpx.AsyncClient, submit: InMemorySubmit, make_request: MakeRequest
) -> None:
    """A body without a declared length is taken, and the connection serves the next request."""
    body = make_request().SerializeToString()

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    for _ in range(2):
        answer = await client.post("/v1/traces", content=in_chunks(), headers=PROTOBUF)
        assert answer.status_code == 200
        assert answer.headers.get("connection") != "close"
    assert [received.body for received in submit.requests] == [make_request()] * 2


async def test_partial_success_in_both_formats(
    client: httpx.AsyncClient, submit: InMemorySubmit, make_request: MakeRequest
) -> None:
    """Rejected spans are told in the response, as a 64-bit integer, which is a string in JSON."""
    submit.outcome = Outcome(rejected=1, message="too old")
    body = make_request().SerializeToString()
    in_protobuf = await client.post("/v1/traces", content=body, headers=PROTOBUF)
    in_json = await client.post("/v1/traces", content=to_json(make_request()), headers=JSON)
    partial = ExportTraceServiceResponse.FromString(in_protobuf.content).partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, "too old")
    assert in_json.json() == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (PROTOBUF, b"my secret prompt", "bytes are no ExportTraceServiceRequest"),
        (PROTOBUF, b"\x7a\x06secret", "there is no resource_spans in them"),
        (JSON, b'{"resourceSpans": "secret', "no JSON: Unterminated string starting at (column 19)"),
        (JSON, b'{"secret": 1}', "there is no resourceSpans at its top level"),
        (JSON, b"", "no JSON"),
        (JSON, b"\xff\xfesecret", "no JSON: not UTF-8"),
        (JSON, b'["secret"]', "an array at the top level"),
        (JSON, b"[" * 60_000, "nested too deeply"),
        (JSON, b'{"resourceSpans": [{"scopeSpans": {}}]}', "resourceSpans[0].scopeSpans must be an array"),
        ({**PROTOBUF, "content-encoding": "gzip"}, b"secret", "broken or truncated gzip"),
        ({**PROTOBUF, "content-encoding": "gzip"}, gzip.compress(b"secret", mtime=0)[:-3], "truncated gzip"),
        ({**PROTOBUF, "content-encoding": "deflate"}, zlib.compress(b"secret")[:-3], "truncated deflate"),
        ({**PROTOBUF, "content-encoding": "zstd"}, zstd.compress(b"secret" * 99)[:-3], "truncated zstd"),
        ({**PROTOBUF, "content-encoding": "zstd"}, b"secret", "broken or truncated zstd"),
    ],
)
async def test_broken_input_is_a_400_with_the_reason(
    headers: dict[str, str], body: bytes, reason: str, client: httpx.AsyncClient, submit: InMemorySubmit
) -> None:
    """Each kind of broken body is refused with its reason in the format of the request, and never quoted."""
    answer = await client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == headers["content-type"]
    if headers["content-type"] == JSON["content-type"]:
        message = answer.json()["message"]
    else:
        message = status_pb2.Status.FromString(answer.content).message
    assert reason in message
    assert "secret" not in message
    assert submit.requests == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status_code", "reason"),
    [
        ("GET", "/v1/traces", {}, 405, "POST to /v1/traces, /v1/logs, /v1/metrics"),
        ("POST", "/v1/trace", JSON, 404, "POST to /v1/traces, /v1/logs, /v1/metrics"),
        ("POST", "/v1/traces/", JSON, 404, "POST to /v1/traces, /v1/logs, /v1/metrics"),
        ("POST", "/v1/traces", {}, 415, "none of application/x-protobuf, application/json"),
        ("POST", "/v1/traces", {"content-type": "text/plain"}, 415, "none of application/x-protobuf"),
        ("POST", "/v1/traces", {**JSON, "content-encoding": "br"}, 415, "none of gzip, deflate, zstd"),
    ],
)
async def test_a_wrong_door_is_told_the_right_one(
    method: str,
    path: str,
    headers: dict[str, str],
    status_code: int,
    reason: str,
    client: httpx.AsyncClient,
) -> None:
    """A wrong method, path, content type or encoding has its status, and an answer naming what is taken."""
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status_code
    assert reason in answer.json()["message"]
    assert answer.headers.get("allow") == ("POST" if status_code == 405 else None)


@pytest.mark.parametrize("format_headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize(
    ("failure", "status_code", "retry_after"),
    [
        (StoreUnavailableError("the store does not answer"), 503, "1"),
        (QueueFullError("the queue is full", retry_after_s=2.5), 429, "3"),
        (PermanentError("this will never do"), 400, None),
    ],
)
async def test_a_failure_has_its_status_and_retry_after(
    failure: Exception,
    status_code: int,
    retry_after: str | None,
    format_headers: dict[str, str],
    client: httpx.AsyncClient,
    submit: InMemorySubmit,
) -> None:
    """A failure that may pass carries Retry-After and RetryInfo; one that will not carries neither."""
    submit.failures.append(failure)
    body = b"{}" if format_headers is JSON else b""
    answer = await client.post("/v1/traces", content=body, headers=format_headers)
    assert answer.status_code == status_code
    assert answer.headers.get("retry-after") == retry_after
    if format_headers is JSON:
        status = answer.json()
        assert status["message"] == str(failure)
        types = [detail["@type"] for detail in status.get("details", [])]
    else:
        parsed = status_pb2.Status.FromString(answer.content)
        assert parsed.message == str(failure)
        types = [detail.type_url for detail in parsed.details]
    retry_info = f"type.googleapis.com/{error_details_pb2.RetryInfo.DESCRIPTOR.full_name}"
    assert types == ([] if retry_after is None else [retry_info])


async def test_an_unforeseen_failure_leaks_nothing(
    client: httpx.AsyncClient, submit: InMemorySubmit, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug behind the seam is a 500; its text, which may quote a prompt, reaches neither client nor log."""
    submit.failures.append(KeyError("my secret prompt"))
    answer = await client.post("/v1/traces", headers=PROTOBUF)
    assert answer.status_code == 500
    assert "KeyError at" in caplog.text
    assert b"secret" not in answer.content
    assert "secret" not in caplog.text


@pytest.mark.parametrize("size_bytes", [65_537, 100_000])
async def test_a_body_a_little_over_the_limit_is_a_413(
    size_bytes: int, client: httpx.AsyncClient, submit: InMemorySubmit
) -> None:
    """A body over the limit, with or without a declared length, is refused and not kept."""

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, size_bytes, 1000):
            yield bytes(min(1000, size_bytes - start))

    declared = await client.post("/v1/traces", content=bytes(size_bytes), headers=PROTOBUF)
    chunked = await client.post("/v1/traces", content=in_chunks(), headers=PROTOBUF)
    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert "limit of 65536 bytes" in status_pb2.Status.FromString(declared.content).message
    assert submit.requests == []


async def test_a_body_far_over_the_limit_is_not_read_to_its_end(servers: OtlpServers) -> None:
    """The answer to a body of a gigabyte comes after a small part of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.http_port)
    writer.write(
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n"
        b"content-type: application/x-protobuf\r\n\r\n" + bytes(2 * 65_536 + 1)
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("encoding", COMPRESSORS)
async def test_a_decompression_bomb_is_a_413(encoding: str, client: httpx.AsyncClient, submit: InMemorySubmit) -> None:
    """A small body that decompresses to far more than the limit is refused like a large one."""
    bomb = COMPRESSORS[encoding](bytes(20_000_000))
    assert len(bomb) < 65_536
    answer = await client.post("/v1/traces", content=bomb, headers={**PROTOBUF, "content-encoding": encoding})
    assert answer.status_code == 413
    assert submit.requests == []


async def test_concatenated_gzip_members_are_one_body(
    client: httpx.AsyncClient, submit: InMemorySubmit, make_request: MakeRequest
) -> None:
    """A gzip body of several members, as some clients write it, is read to its end."""
    body = make_request().SerializeToString()

    def members() -> Iterator[bytes]:
        yield gzip.compress(body[:10])
        yield gzip.compress(body[10:])

    answer = await client.post(
        "/v1/traces", content=b"".join(members()), headers={**PROTOBUF, "content-encoding": "gzip"}
    )
    assert answer.status_code == 200
    assert [received.body for received in submit.requests] == [make_request()]
