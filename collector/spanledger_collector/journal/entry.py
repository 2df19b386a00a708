"""What the journal holds: export requests as protobuf, each with its place in the order of arrival."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.submit import ExportRequest, Received, Signal


@dataclass(slots=True, frozen=True)
class Request:
    """An export request as it is kept: ``body`` is protobuf, whatever it came as."""

    signal: Signal
    spans: int
    body: bytes

    @classmethod
    def of(cls, received: Received) -> Request:
        """The request without what the entrance took out of it."""
        return cls(received.signal, received.spans, received.body.SerializeToString())

    def parse(self) -> ExportRequest:
        """The message again."""
        return parse_protobuf(self.signal, self.body)


@dataclass(slots=True, frozen=True)
class Entry:
    """A request on disk; ``received_at_ms`` is milliseconds since the epoch, ``sequence`` grows with every arrival."""

    sequence: int
    received_at_ms: int
    request: Request
