"""The seam between receiving and everything behind it: one method, and its in-memory twin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Signal = Literal["traces", "logs", "metrics"]
ExportRequest = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest


@dataclass(slots=True, frozen=True)
class Received:
    """One export request. ``size_bytes`` is its size as it came (protobuf or JSON), decompressed."""

    signal: Signal
    body: ExportRequest
    size_bytes: int

    @property
    def spans(self) -> int:
        """How many spans it holds; 0 for the other signals."""
        if not isinstance(self.body, ExportTraceServiceRequest):
            return 0
        return sum(len(scope.spans) for resource in self.body.resource_spans for scope in resource.scope_spans)

    @property
    def items(self) -> int:
        """How many spans, log records or data points it holds."""
        match self.body:
            case ExportLogsServiceRequest():
                return sum(
                    len(scope.log_records) for resource in self.body.resource_logs for scope in resource.scope_logs
                )
            case ExportMetricsServiceRequest():
                return sum(
                    len(getattr(metric, kind).data_points)
                    for resource in self.body.resource_metrics
                    for scope in resource.scope_metrics
                    for metric in scope.metrics
                    if (kind := metric.WhichOneof("data"))
                )
        return self.spans

    def to_protobuf(self) -> bytes:
        """The request as protobuf writes it."""
        return self.body.SerializeToString()


@dataclass(slots=True, frozen=True)
class CleanSpans:
    """A request of ``spans`` spans to which nothing has to be done: it is kept as the bytes it came as."""

    raw: bytes
    spans: int
    signal: ClassVar[Signal] = "traces"

    @property
    def items(self) -> int:
        """Its spans."""
        return self.spans

    @property
    def body(self) -> ExportTraceServiceRequest:
        """The message that the bytes are."""
        return ExportTraceServiceRequest.FromString(self.raw)

    @property
    def size_bytes(self) -> int:
        """Its size as it came, decompressed."""
        return len(self.raw)

    def to_protobuf(self) -> bytes:
        """The bytes."""
        return self.raw


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of a request: how many of its spans (records, points) were ``rejected`` for good, and why.

    ``message`` without rejections is a warning to the sender. What is not ``kept`` leads to no ledger; its sender is
    told of success.
    """

    rejected: int = 0
    message: str = ""
    kept: bool = True


ALL_TAKEN = Outcome()
"""Nothing to tell the sender."""
IGNORED = Outcome(kept=False)
"""Nothing to tell it either."""


class Submit(Protocol):
    """Takes requests over from the entrances."""

    async def submit(self, request: Received | CleanSpans) -> Outcome:
        """Return once what was taken is durable: the sender is told of success right after.

        It goes on where the client gives up waiting; such a client sends the same again.

        Raises:
            RetryableError: nothing was taken, the same may succeed later; ``retry_after_s`` on it says when.
            PermanentError: nothing was taken and never will be.
        """
        ...


class InMemorySubmit:
    """Keeps what it takes in ``requests``; first each error in ``failures`` is raised once."""

    def __init__(self, failures: Iterable[Exception] = (), outcome: Outcome | None = None) -> None:
        self.requests: list[Received | CleanSpans] = []
        self.failures = list(failures)
        self.outcome = outcome or Outcome()

    async def submit(self, request: Received | CleanSpans) -> Outcome:
        """Record the request and answer with ``outcome``, or raise the next failure."""
        if self.failures:
            raise self.failures.pop(0)
        self.requests.append(request)
        return self.outcome
