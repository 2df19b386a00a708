"""OTLP/gRPC: answers, refusals and their details."""

from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from spanledger_collector.errors import BadInputError, PermanentError, StoreUnavailableError
from spanledger_collector.metrics import LIMITS_HIT
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit, Outcome

from .conftest import MAX_REQUEST_BYTES

EXPORT_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
async def channel(servers: OtlpServers) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the gRPC entrance."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{servers.grpc_port}") as opened:
        yield opened


async def refusal(channel: grpc.aio.Channel, body: bytes) -> grpc.aio.AioRpcError:
    """The error that these bytes are answered with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(EXPORT_TRACES)(body)
    return caught.value


def details_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The standard error details, as gRPC carries them."""
    return status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])


async def test_every_signal_has_its_service(channel: grpc.aio.Channel, submit: InMemorySubmit) -> None:
    """The three standard Export methods answer success with an empty response, and hand on their signal."""
    traces = trace_service_pb2.ExportTraceServiceRequest()
    traces.resource_spans.add()
    logs = logs_service_pb2.ExportLogsServiceRequest()
    logs.resource_logs.add()
    metrics = metrics_service_pb2.ExportMetricsServiceRequest()
    metrics.resource_metrics.add()
    answers = [
        await trace_service_pb2_grpc.TraceServiceStub(channel).Export(traces),
        await logs_service_pb2_grpc.LogsServiceStub(channel).Export(logs),
        await metrics_service_pb2_grpc.MetricsServiceStub(channel).Export(metrics),
    ]
    assert [request.signal for request in submit.requests] == ["traces", "logs", "metrics"]
    assert [request.body for request in submit.requests] == [traces, logs, metrics]
    assert [answer.HasField("partial_success") for answer in answers] == [False, False, False]


async def test_rejections_of_both_kinds_are_told_together(
    channel: grpc.aio.Channel, submit: InMemorySubmit, make_request: Callable[..., object]
) -> None:
    """Invalid ids and what the pipeline rejects add up in partial_success, each with its reason."""
    submit.outcome = Outcome(rejected=2, message="start times in the year 1970")
    request = make_request((b"\x01" * 16, b"\x02" * 8), (b"", b"\x02" * 8))
    answer = await trace_service_pb2_grpc.TraceServiceStub(channel).Export(request)
    assert answer.partial_success.rejected_spans == 3
    assert "trace_id of 0 bytes" in answer.partial_success.error_message
    assert "start times in the year 1970" in answer.partial_success.error_message


@pytest.mark.parametrize(
    ("failure", "code", "retry_delay_ms"),
    [
        (StoreUnavailableError("the store does not answer"), grpc.StatusCode.UNAVAILABLE, 1000),
        (QueueFullError("the queue is full", retry_after_s=2.5), grpc.StatusCode.RESOURCE_EXHAUSTED, 2500),
        (PermanentError("this will never do"), grpc.StatusCode.INVALID_ARGUMENT, None),
        (BadInputError("bad bytes"), grpc.StatusCode.INVALID_ARGUMENT, None),
    ],
)
async def test_a_failure_has_its_code_and_retry_info(
    failure: Exception,
    code: grpc.StatusCode,
    retry_delay_ms: int | None,
    channel: grpc.aio.Channel,
    submit: InMemorySubmit,
) -> None:
    """A failure that may pass carries RetryInfo in the standard details; one that will not carries none."""
    submit.failures.append(failure)
    error = await refusal(channel, b"")
    assert (error.code(), error.details()) == (code, str(failure))
    status = details_of(error)
    assert (status.code, status.message) == (code.value[0], str(failure))
    delays_ms = []
    for detail in status.details:
        retry_info = error_details_pb2.RetryInfo()
        assert detail.Unpack(retry_info)
        delays_ms.append(retry_info.retry_delay.ToMilliseconds())
    assert delays_ms == ([] if retry_delay_ms is None else [retry_delay_ms])


async def test_an_unforeseen_failure_leaks_nothing(
    channel: grpc.aio.Channel, submit: InMemorySubmit, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug behind the seam is INTERNAL; its text, which may be a prompt, reaches neither client nor log."""
    submit.failures.append(KeyError("my secret prompt"))
    error = await refusal(channel, b"")
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "KeyError" in error.details()
    assert "KeyError at" in caplog.text
    assert "secret" not in error.details() + caplog.text


@pytest.mark.parametrize(
    "body",
    [b"no protobuf at all", b"\x0a\xff", b"\x7a\x03abc"],
    ids=["text", "truncated", "only unknown fields"],
)
async def test_broken_protobuf_is_an_invalid_argument(
    body: bytes, channel: grpc.aio.Channel, submit: InMemorySubmit
) -> None:
    """Bytes that are no trace request are refused for good, also where protobuf would parse them."""
    error = await refusal(channel, body)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"the {len(body)} bytes are no ExportTraceServiceRequest" in error.details()
    assert submit.requests == []


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_over_the_limit_is_refused(
    compression: grpc.Compression, channel: grpc.aio.Channel, submit: InMemorySubmit
) -> None:
    """The limit holds for the decompressed message too: a small gzip of much is no way around it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(EXPORT_TRACES)(bytes(1_000_000), compression=compression)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert submit.requests == []


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_that_is_a_little_over_the_limit_is_told_and_counted(
    compression: grpc.Compression, channel: grpc.aio.Channel, submit: InMemorySubmit
) -> None:
    """Its sender learns the limit and what to do, and so do the metrics, as over HTTP."""
    counted = LIMITS_HIT.labels("request_bytes")._value.get()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(EXPORT_TRACES)(bytes(MAX_REQUEST_BYTES + 1), compression=compression)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"the limit of {MAX_REQUEST_BYTES} bytes; smaller batches pass" in caught.value.details()
    assert LIMITS_HIT.labels("request_bytes")._value.get() == counted + 1
    assert submit.requests == []
