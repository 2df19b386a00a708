"""What the journal holds: export requests as protobuf, each with its place in the order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.submit import CleanSpans, ExportRequest, Received, Signal


@dataclass(slots=True, frozen=True)
class Request:
    """An export request as it is kept: ``body`` is protobuf, whatever it came as."""

    signal: Signal
    spans: int
    body: bytes

    @classmethod
    def of(cls, received: Received | CleanSpans) -> Request:
        """The request without what the entrance took out of it."""
        return cls(received.signal, received.spans, received.to_protobuf())

    def parse(self) -> ExportRequest:
        """The message again."""
        return parse_protobuf(self.signal, self.body)


@dataclass(slots=True, frozen=True)
class Entry:
    """A request on disk; ``received_at_ms`` is milliseconds since the epoch, ``sequence`` grows with every arrival."""

    sequence: int
    received_at_ms: int
    request: Request


@dataclass(slots=True, frozen=True)
class Depth:
    """What waits; ``oldest_at_ms`` is milliseconds since the epoch, ``None`` where nothing does."""

    entries: int = 0
    spans: int = 0
    size_bytes: int = 0
    oldest_at_ms: int | None = None

    def lag_s(self, now_s: float) -> float:
        """The age of the oldest that waits, in seconds, at ``now_s`` since the epoch; 0 where nothing does."""
        return 0.0 if self.oldest_at_ms is None else max(0.0, now_s - self.oldest_at_ms / 1000)

    def plus(self, requests: Sequence[Request], at_ms: int) -> Depth:
        """With ``requests`` that came at ``at_ms``."""
        return Depth(
            self.entries + len(requests),
            self.spans + sum(request.spans for request in requests),
            self.size_bytes + sum(len(request.body) for request in requests),
            at_ms if self.oldest_at_ms is None else self.oldest_at_ms,
        )

    def minus(self, requests: Sequence[Request], oldest_at_ms: int | None) -> Depth:
        """Without ``requests``; the oldest of what is left came at ``oldest_at_ms``."""
        return Depth(
            self.entries - len(requests),
            self.spans - sum(request.spans for request in requests),
            self.size_bytes - sum(len(request.body) for request in requests),
            oldest_at_ms,
        )


DEPTH_COLUMNS = "count(*), sum(spans), sum(length(body)), min(received_at_ms)"
"""What makes a ``Depth`` of one of the journal's tables; where no row is, the sums are NULL."""


def entry_of(row: tuple[int, int, Signal, int, bytes]) -> Entry:
    """The entry in a row of the journal's tables."""
    sequence, received_at_ms, signal, spans, body = row
    return Entry(sequence, received_at_ms, Request(signal, spans, body))
