"""What a decoder takes and gives, whichever of the twins it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.model import Fact, Span

TraceRequest = ExportTraceServiceRequest | bytes
"""Bytes are protobuf as anybody may write it: fields in any order, unknown ones, ones that are said twice."""

SpanPlace = tuple[str, str]
"""Trace id and span id."""


class PlainSpans(Protocol):
    """Makers of spans by their place, of which a few are asked for; of a place that was said twice the last holds."""

    def __len__(self) -> int:
        """How many places there are."""

    def __iter__(self) -> Iterator[SpanPlace]:
        """All places, which takes long."""

    def __contains__(self, place: object) -> bool:
        """Whether a span of this place is here."""

    def __getitem__(self, place: SpanPlace) -> Callable[[], Span]:
        """What makes the span of this place."""

    def among(self, places: Collection[SpanPlace]) -> Iterable[SpanPlace]:
        """Those of ``places`` (a set, or the keys of a dict) that are here."""


class PlainSpansByPlace(dict[SpanPlace, Callable[[], Span]]):
    """The plain ones, in a dict."""

    def among(self, places: Collection[SpanPlace]) -> Iterable[SpanPlace]:
        """Those of ``places`` that are here."""
        fewer, more = sorted((self, places), key=len)
        return [place for place in fewer if place in more]


@dataclass(slots=True)
class Batch:
    """What some requests held."""

    size: int
    """How many spans."""
    block: bytes
    """All spans as rows of ``otel_traces``, in the Native format."""
    telling: list[Span]
    """The spans whose scope or attributes may tell the ledger something, in their order, but for those in ``facts``."""
    plain: PlainSpans
    """All other spans."""
    facts: list[Fact] = field(default_factory=list)
    """What telling spans say, as far as it was read on the way."""
