"""What is added to a span that goes on: canonical GenAI attributes, its price, and which call it is.

Nothing is removed, and an attribute that is there already stays as it is. Works on the message itself, so that fields
of a later OTLP, which nobody here knows, go on, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger_collector.forward.bearers import Share
from spanledger_collector.merge.settle import SpanPlace
from spanledger_collector.model import Call, Fact
from spanledger_collector.normalise import semconv
from spanledger_collector.receive.redact import Redaction

CALL_ID = "spanledger.call_id"
KIND = "spanledger.kind"
COST_USD = "spanledger.cost_usd"
PRICE_STATUS = "spanledger.price.status"
PRICE_CARD = "spanledger.price.card"
DUPLICATE_OF = "spanledger.duplicate_of"

_ABOUT = tuple(
    (name, semconv.FIELDS[name][0])
    for name in ("operation", "provider", "request_model", "response_model", "response_id")
)
_USAGE = tuple(
    (name, semconv.FIELDS[name][0])
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
)
_FIELDS: dict[type, str] = {str: "string_value", int: "int_value", float: "double_value"}
_REMEMBERED = 4_096
_MAX_REMEMBERED_CHARACTERS = 100

Value = str | int | float | None
_Additions = Iterator[tuple[str, Value]]
_Make = Callable[[str, Value], KeyValue | None]


class Enricher:
    """Adds to spans what ``redaction`` leaves of the additions."""

    def __init__(self, redaction: Redaction) -> None:
        self._pair = _remembered(_pair)
        self._redacted = _remembered(partial(_redacted_pair, redaction))

    def enrich(
        self,
        requests: Mapping[int, ExportTraceServiceRequest],
        facts: Mapping[SpanPlace, Fact],
        found: Mapping[SpanPlace, Share],
    ) -> set[int]:
        """Add to the spans of ``requests``, in place, what ``facts`` and shares say; returns which requests changed.

        A span that came several times bears the cost the last time: SDKs send it pending, and then whole.
        """
        changed: set[int] = set()
        for place, spans in _spans(requests, facts).items():
            share = found.get(place)
            for number, span in spans:
                told = share
                if share and span is not spans[-1][1]:
                    told = Share(share.call, share.duplicate_of or place[1])
                if self._add(span, facts[place], told):
                    changed.add(number)
        return changed

    def _add(self, span: trace_pb2.Span, fact: Fact, share: Share | None) -> bool:
        there = {pair.key for pair in span.attributes}
        # Another spanledger before this one has decided who bears the cost.
        if CALL_ID in there:
            return False
        # What one name hides is not told under another.
        stated = (self._redacted(name, value) for name, value in _canonical(fact, share) if name not in there)
        told = (self._pair(name, value) for name, value in _found_out(fact, share) if name not in there)
        span.attributes.extend([pair for pair in (*stated, *told) if pair is not None])
        return True


def _spans(
    requests: Mapping[int, ExportTraceServiceRequest], places: Mapping[SpanPlace, Fact]
) -> dict[SpanPlace, list[tuple[int, trace_pb2.Span]]]:
    spans: dict[SpanPlace, list[tuple[int, trace_pb2.Span]]] = {}
    for number, request in requests.items():
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    place = (span.trace_id.hex(), span.span_id.hex())
                    if place in places:
                        spans.setdefault(place, []).append((number, span))
    return spans


def _canonical(fact: Fact, share: Share | None) -> _Additions:
    stands = share is not None and not share.duplicate_of
    source: Call | Fact = share.call if share and stands else fact
    for field, name in _ABOUT:
        yield name, getattr(source, field) or None
    if stands:
        # A copy, or a wrapper, would add the same tokens to a sum once more.
        for field, name in _USAGE:
            yield name, getattr(source, field)


def _found_out(fact: Fact, share: Share | None) -> _Additions:
    yield KIND, fact.kind if share is None else share.call.kind
    if share is None:
        return
    call = share.call
    yield CALL_ID, call.call_id
    if share.duplicate_of:
        yield DUPLICATE_OF, share.duplicate_of
        return
    yield COST_USD, None if call.cost_usd is None else float(call.cost_usd)
    yield PRICE_STATUS, call.price_status
    yield PRICE_CARD, call.price_card_id or None


def _remembered(make: _Make) -> _Make:
    """Providers, models and statuses are said again and again; long texts are not, and would fill the memory."""
    remembering = lru_cache(_REMEMBERED)(make)

    def made(name: str, value: Value) -> KeyValue | None:
        is_long = isinstance(value, str) and len(value) > _MAX_REMEMBERED_CHARACTERS
        return make(name, value) if is_long else remembering(name, value)

    return made


def _pair(name: str, value: Value) -> KeyValue | None:
    if value is None:
        return None
    pair = KeyValue(key=name)
    setattr(pair.value, _FIELDS[type(value)], value)
    return pair


def _redacted_pair(redaction: Redaction, name: str, value: Value) -> KeyValue | None:
    pair = _pair(name, value)
    left = [] if pair is None else [pair]
    redaction.redact_attributes(left)
    return left[0] if left else None
