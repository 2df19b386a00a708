"""The exporters of the OpenTelemetry SDK against real sockets."""

import asyncio
from collections.abc import Callable

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.serve import OtlpServers
from spanledger_collector.receive.submit import InMemorySubmit

MakeExporter = Callable[[OtlpServers], SpanExporter]


def over_http(compression: Compression) -> MakeExporter:
    """The SDK's HTTP exporter."""
    return lambda servers: HttpExporter(
        endpoint=f"http://127.0.0.1:{servers.http_port}/v1/traces", compression=compression
    )


def over_grpc(compression: grpc.Compression) -> MakeExporter:
    """The SDK's gRPC exporter."""
    return lambda servers: GrpcExporter(
        endpoint=f"127.0.0.1:{servers.grpc_port}", insecure=True, compression=compression
    )


EXPORTERS = {
    "http": over_http(Compression.NoCompression),
    "http-gzip": over_http(Compression.Gzip),
    "http-deflate": over_http(Compression.Deflate),
    "grpc": over_grpc(grpc.Compression.NoCompression),
    "grpc-gzip": over_grpc(grpc.Compression.Gzip),
}
each_exporter = pytest.mark.parametrize("make_exporter", EXPORTERS.values(), ids=EXPORTERS)


def trace_one_call(exporter: SpanExporter) -> None:
    """What an application does."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.usage.input_tokens", 4321)
    provider.shutdown()


def names_and_tokens(submit: InMemorySubmit) -> list[tuple[str, int]]:
    """The spans that were submitted, each with its first attribute."""
    return [
        (span.name, span.attributes[0].value.int_value)
        for request in submit.requests
        for resource_spans in request.body.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


@each_exporter
async def test_a_span_arrives(make_exporter: MakeExporter, servers: OtlpServers, submit: InMemorySubmit) -> None:
    """What an application traced is submitted once, with its name and attributes, over either protocol."""
    await asyncio.to_thread(trace_one_call, make_exporter(servers))
    assert names_and_tokens(submit) == [("chat", 4321)]
    assert submit.requests[0].signal == "traces"
    assert submit.requests[0].size_bytes == submit.requests[0].body.ByteSize()


@each_exporter
@pytest.mark.parametrize("error_type", [StoreUnavailableError, QueueFullError])
async def test_a_span_survives_a_refusal(
    make_exporter: MakeExporter,
    error_type: type[Exception],
    servers: OtlpServers,
    submit: InMemorySubmit,
) -> None:
    """The exporter takes a refusal as temporary, and sends the span again after the wait it was told."""
    error = error_type("the store is away")
    error.retry_after_s = 0
    submit.failures.append(error)
    await asyncio.to_thread(trace_one_call, make_exporter(servers))
    assert submit.failures == []
    assert names_and_tokens(submit) == [("chat", 4321)]
