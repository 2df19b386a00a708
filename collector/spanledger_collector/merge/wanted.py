"""The parents that facts name and that have not arrived."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator

MAX_WANTED_PARENTS = 200_000
"""How many are watched for; those of the traces that have waited longest are given up first."""

_Place = tuple[str, str]
"""Trace id and span id."""


class Wanted:
    """Places of spans, a trace's together: a trace that has arrived is asked for by one look-up."""

    def __init__(self, places: Iterable[_Place] = (), limit: int = MAX_WANTED_PARENTS) -> None:
        self.by_trace: OrderedDict[str, set[str]] = OrderedDict()
        self._limit = limit
        self._size = 0
        self.add(places)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[_Place]:
        return ((trace_id, span_id) for trace_id, span_ids in self.by_trace.items() for span_id in span_ids)

    def __contains__(self, place: _Place) -> bool:
        return place[1] in self.by_trace.get(place[0], ())

    def add(self, places: Iterable[_Place]) -> None:
        """Watch for these, too."""
        for trace_id, span_id in places:
            span_ids = self.by_trace.setdefault(trace_id, set())
            self._size += span_id not in span_ids
            span_ids.add(span_id)
        while self._size > self._limit:
            self._size -= len(self.by_trace.popitem(last=False)[1])

    def discard(self, trace_id: str, arrived: Container[str]) -> None:
        """Watch no longer for those spans of a trace that have arrived."""
        span_ids = self.by_trace.get(trace_id, set())
        found = [span_id for span_id in span_ids if span_id in arrived]
        self._size -= len(found)
        span_ids.difference_update(found)
        if not span_ids:
            self.by_trace.pop(trace_id, None)
