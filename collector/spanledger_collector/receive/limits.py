"""Limits on what one span or log record may hold: what is over a limit is cut, what cannot be dated is rejected.

Nesting needs no setting: protobuf itself refuses messages of more than 100 levels, which is 47 of values in values.
Nothing is lost silently: OTLP's own ``dropped_..._count`` fields count what was cut, ``partial_success`` tells the
sender, and ``spanledger_receiver_limits_hit_total`` counts by limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.config import Limits
from spanledger_collector.receive.submit import ExportRequest, Signal

_NS_PER_S = 1_000_000_000

Hits = Counter[str]
"""How often each limit was hit, by the names in ``MEANINGS``."""

MEANINGS = {
    "attribute_count": "attributes over max_attributes were dropped",
    "attribute_bytes": "attributes, names or bodies over max_attribute_bytes were cut",
    "event_count": "events over max_events were dropped",
    "link_count": "links over max_links were dropped",
    "future": "begin or end more than max_future_s ahead of the collector's clock and were rejected",
    "past": "begin more than max_age_days ago and were rejected",
}


class Enforcer:
    """Holds requests to the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def enforce(self, signal: Signal, request: ExportRequest, size_bytes: int, now_ns: int) -> Hits:
        """Cut and reject in place, in a request that came with ``size_bytes``; nobody keeps metrics."""
        hits: Hits = Counter()
        if signal == "metrics":
            return hits
        # Nothing in a request is larger than the request.
        may_be_long = size_bytes > self._limits.max_attribute_bytes
        earliest_ns, latest_ns = self.period_ns(now_ns)
        for resource, scopes in _resources(signal, request):
            self._cut_attributes(resource, may_be_long, hits)
            for scope, items in scopes:
                self._cut_attributes(scope, may_be_long, hits)
                self._cut_texts(scope, ("name", "version"), may_be_long, hits)
                undated = []
                for index, item in enumerate(items):
                    started_ns = _time_ns(signal, item)
                    if not earliest_ns <= started_ns <= latest_ns or _ended_ns(signal, item) > latest_ns:
                        undated.append(index)
                        hits["past" if started_ns < earliest_ns else "future"] += 1
                        continue
                    self._cut(signal, item, may_be_long, hits)
                for index in reversed(undated):
                    del items[index]
        return hits

    def period_ns(self, now_ns: int) -> tuple[int, int]:
        """Between what nanoseconds since the epoch something may have begun."""
        earliest_ns = now_ns - self._limits.max_age_days * 86_400 * _NS_PER_S
        return earliest_ns, now_ns + self._limits.max_future_s * _NS_PER_S

    def _cut(self, signal: Signal, item: Any, may_be_long: bool, hits: Hits) -> None:
        long = may_be_long and item.ByteSize() > self._limits.max_attribute_bytes
        self._cut_attributes(item, long, hits)
        if signal == "logs":
            if long and self._cut_value(item.body, hits):
                item.ClearField("body")
            self._cut_texts(item, ("event_name", "severity_text"), long, hits)
            return
        self._cut_texts(item, ("name", "trace_state"), long, hits)
        self._cut_texts(item.status, ("message",), long, hits)
        for name, limit in (("event", self._limits.max_events), ("link", self._limits.max_links)):
            parts = getattr(item, f"{name}s")
            if not parts:
                continue
            if len(parts) > limit:
                hits[f"{name}_count"] += len(parts) - limit
                setattr(item, f"dropped_{name}s_count", _total(item, f"dropped_{name}s_count", len(parts) - limit))
                del parts[limit:]
            for part in parts:
                self._cut_attributes(part, long, hits)
                self._cut_texts(part, ("name",) if name == "event" else ("trace_state",), long, hits)

    def _cut_attributes(self, holder: Any, may_be_long: bool, hits: Hits) -> None:
        attributes = holder.attributes
        dropped = max(len(attributes) - self._limits.max_attributes, 0)
        if dropped:
            hits["attribute_count"] += dropped
            del attributes[self._limits.max_attributes :]
        if may_be_long:
            for index in reversed(range(len(attributes))):
                if self._is_long(attributes[index].key, hits) or self._cut_value(attributes[index].value, hits):
                    del attributes[index]
                    dropped += 1
        if dropped:
            holder.dropped_attributes_count = _total(holder, "dropped_attributes_count", dropped)

    def _cut_texts(self, holder: Any, fields: Iterable[str], may_be_long: bool, hits: Hits) -> None:
        for field in fields if may_be_long else ():
            text = getattr(holder, field)
            if self._is_long(text, hits):
                setattr(holder, field, self._beginning(text))

    def _is_long(self, text: str, hits: Hits) -> bool:
        limit = self._limits.max_attribute_bytes
        # No character is more than four bytes.
        if 4 * len(text) <= limit or len(text.encode(errors="replace")) <= limit:
            return False
        hits["attribute_bytes"] += 1
        return True

    def _beginning(self, text: str) -> str:
        return text.encode(errors="replace")[: self._limits.max_attribute_bytes].decode(errors="ignore")

    def _cut_value(self, value: AnyValue, hits: Hits) -> bool:
        """Cut a text in place; says whether it is an array, a map or bytes, of which a part means nothing."""
        if value.ByteSize() <= self._limits.max_attribute_bytes:
            return False
        kind = value.WhichOneof("value")
        hits["attribute_bytes"] += 1
        if kind != "string_value":
            return True
        value.string_value = self._beginning(value.string_value)
        return False


def rejected(hits: Hits) -> int:
    """How many spans or log records were rejected."""
    return hits["future"] + hits["past"]


def told(hits: Hits) -> str:
    """The hits as a message to the sender; '' where there are none."""
    return "; ".join(f"{count} {MEANINGS[limit]}" for limit, count in hits.items() if count)


def _resources(signal: Signal, request: Any) -> Iterator[tuple[Any, Iterable[tuple[Any, Any]]]]:
    if signal == "traces":
        for resource in request.resource_spans:
            yield resource.resource, ((scope.scope, scope.spans) for scope in resource.scope_spans)
    else:
        for resource in request.resource_logs:
            yield resource.resource, ((scope.scope, scope.log_records) for scope in resource.scope_logs)


def _time_ns(signal: Signal, item: Any) -> int:
    if signal == "traces":
        return int(item.start_time_unix_nano)
    return int(item.time_unix_nano or item.observed_time_unix_nano)


def _ended_ns(signal: Signal, item: Any) -> int:
    return int(item.end_time_unix_nano) if signal == "traces" else 0


def _total(holder: Any, field: str, dropped: int) -> int:
    return int(min(getattr(holder, field) + dropped, 2**32 - 1))
