"""A request too large for the target, as two: spanledger takes larger ones than most gRPC servers do."""

from __future__ import annotations

from typing import Any

from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.receive.submit import Received, Signal

_LEVELS: dict[Signal, tuple[str, ...]] = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
}


def halves(signal: Signal, body: bytes) -> tuple[bytes, bytes] | None:
    """Two requests with what ``body`` held, in its order; ``None`` where it held one span or record."""
    first, second = parse_protobuf(signal, body), parse_protobuf(signal, body)
    ones: Any = first
    others: Any = second
    for level in _LEVELS[signal]:
        some, rest = getattr(ones, level), getattr(others, level)
        if len(some) > 1:
            middle = len(some) // 2
            del some[middle:]
            del rest[:middle]
            return first.SerializeToString(), second.SerializeToString()
        if not some:
            break
        ones, others = some[0], rest[0]
    return None


def spans_in(signal: Signal, body: bytes) -> int:
    """How many spans a request holds; 0 for the other signals."""
    return Received(signal, parse_protobuf(signal, body), len(body)).spans
