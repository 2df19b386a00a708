"""Tokens at both OTLP entrances: who gets in, and on whom what they send is booked."""

from collections.abc import AsyncIterator, Callable

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanledger_collector.access import Access, Grant, new_token
from spanledger_collector.config import Address
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit

MakeRequest = Callable[..., ExportTraceServiceRequest]


def known(grant: Grant) -> tuple[str, dict[str, Grant]]:
    """A new token, and its entry as ``Access`` takes it."""
    token, line = new_token(grant)
    return token, {line.partition("sha256: ")[2][:64]: grant}


PINNED, PINNED_ENTRY = known(Grant("checkout", "production", ("send",)))
READER, READER_ENTRY = known(Grant(may=("read",)))
REFUSED = [
    ("", 401, grpc.StatusCode.UNAUTHENTICATED, "spanledger token new"),
    ("Bearer spanledger_guessed", 401, grpc.StatusCode.UNAUTHENTICATED, "not known here"),
    ("Basic !!", 401, grpc.StatusCode.UNAUTHENTICATED, "a token is needed"),
    (f"Bearer {READER}", 403, grpc.StatusCode.PERMISSION_DENIED, "may read, not send"),
]


@pytest.fixture
async def closed(submit: InMemorySubmit) -> AsyncIterator[OtlpServers]:
    """Entrances that know a pinned sender's and a reader's token."""
    loopback = Address("127.0.0.1", 0)
    access = Access(PINNED_ENTRY | READER_ENTRY)
    running = OtlpServers(
        Entrance(submit, access), loopback, loopback, max_request_bytes=1 << 16, max_pending_bytes=2**27
    )
    await running.start()
    yield running
    await running.stop()


def texts(attributes: list[KeyValue]) -> list[tuple[str, str]]:
    """Attributes as pairs, in their order."""
    return [(pair.key, pair.value.string_value) for pair in attributes]


async def over_http(servers: OtlpServers, path: str, body: bytes, authorization: str) -> httpx.Response:
    """POST protobuf with an ``Authorization`` header."""
    headers = {"content-type": "application/x-protobuf"} | ({"authorization": authorization} if authorization else {})
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"http://127.0.0.1:{servers.http_port}{path}", content=body, headers=headers)


IDS = ("none", "guessed", "malformed", "may read")


@pytest.mark.parametrize(("authorization", "status", "code", "said"), REFUSED, ids=IDS)
async def test_without_the_right_token_nothing_gets_in(
    authorization: str,
    status: int,
    code: grpc.StatusCode,
    said: str,
    closed: OtlpServers,
    submit: InMemorySubmit,
    make_request: MakeRequest,
) -> None:
    """Both entrances refuse with the way out, take nothing, and never repeat the token."""
    answer = await over_http(closed, "/v1/traces", make_request().SerializeToString(), authorization)
    assert answer.status_code == status
    metadata = (("authorization", authorization),) if authorization else ()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{closed.grpc_port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await TraceServiceStub(channel).Export(make_request(), metadata=metadata)
    assert refused.value.code() == code
    for message in (answer.text, refused.value.details() or ""):
        assert said in message
        assert not authorization or authorization.split()[1] not in message
    assert submit.requests == []


async def test_a_pinned_identity_overrides_what_spans_say(
    closed: OtlpServers, submit: InMemorySubmit, make_request: MakeRequest
) -> None:
    """Over either protocol, team and environment are the token's, on the resource and on each span; the rest stays."""
    request = make_request()
    resource = request.resource_spans[0].resource
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for attributes in (resource.attributes, span.attributes):
        for name in ("spanledger.team", "service.name", "team.id", "deployment.environment", "spanledger.team"):
            attributes.add(key=name).value.string_value = "claimed"
    await over_http(closed, "/v1/traces", request.SerializeToString(), f"Bearer {PINNED}")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{closed.grpc_port}") as channel:
        await TraceServiceStub(channel).Export(request, metadata=(("authorization", f"Bearer {PINNED}"),))
    expected = [
        ("service.name", "claimed"),
        ("spanledger.team", "checkout"),
        ("deployment.environment.name", "production"),
    ]
    assert len(submit.requests) == 2
    for received in submit.requests:
        [resource_spans] = received.body.resource_spans
        assert texts(resource_spans.resource.attributes) == expected
        assert texts(resource_spans.scope_spans[0].spans[0].attributes) == expected


async def test_a_pinned_identity_holds_for_log_records(closed: OtlpServers, submit: InMemorySubmit) -> None:
    """Log records state calls as well, and are booked alike."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1_767_225_600_000_000_000)
    answer = await over_http(closed, "/v1/logs", request.SerializeToString(), f"Bearer {PINNED}")
    assert answer.status_code == 200
    record = submit.requests[0].body.resource_logs[0].scope_logs[0].log_records[0]
    assert dict(texts(record.attributes))["spanledger.team"] == "checkout"
