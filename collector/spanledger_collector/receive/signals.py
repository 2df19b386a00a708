"""What differs between the three signals of OTLP, once, as data."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from spanledger_collector.receive.submit import ALL_TAKEN, ExportRequest, Outcome, Signal

ExportResponse = (
    traces.ExportTraceServiceResponse | logs.ExportLogsServiceResponse | metrics.ExportMetricsServiceResponse
)


@dataclass(slots=True, frozen=True)
class SignalType:
    """One signal: its messages, its gRPC service, its HTTP path and the names of its fields."""

    request: type[ExportRequest]
    response: type[ExportResponse]
    service: str
    path: str
    resources: str
    resources_json: str
    rejected: str


SIGNALS: dict[Signal, SignalType] = {
    "traces": SignalType(
        traces.ExportTraceServiceRequest,
        traces.ExportTraceServiceResponse,
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "/v1/traces",
        "resource_spans",
        "resourceSpans",
        "rejected_spans",
    ),
    "logs": SignalType(
        logs.ExportLogsServiceRequest,
        logs.ExportLogsServiceResponse,
        "opentelemetry.proto.collector.logs.v1.LogsService",
        "/v1/logs",
        "resource_logs",
        "resourceLogs",
        "rejected_log_records",
    ),
    "metrics": SignalType(
        metrics.ExportMetricsServiceRequest,
        metrics.ExportMetricsServiceResponse,
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        "/v1/metrics",
        "resource_metrics",
        "resourceMetrics",
        "rejected_data_points",
    ),
}


def protobuf_response_to(signal: Signal, outcome: Outcome) -> bytes:
    """The export response as protobuf."""
    return b"" if outcome is ALL_TAKEN else response_to(signal, outcome).SerializeToString()


def response_to(signal: Signal, outcome: Outcome) -> ExportResponse:
    """The export response; ``partial_success`` is set only where there is something to say, as OTLP asks."""
    response = SIGNALS[signal].response()
    if outcome.rejected or outcome.message:
        setattr(response.partial_success, SIGNALS[signal].rejected, outcome.rejected)
        response.partial_success.error_message = outcome.message
    return response
