"""The tree of a trace, as far as facts tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spanledger_collector.model import Fact


class Traces:
    """Facts by their place in their traces."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._by_place = {(fact.trace_id, fact.span_id): fact for fact in facts}

    def ancestors(self, fact: Fact) -> Iterator[Fact]:
        """The parent, its parent and so on, as far as known; a loop in broken data ends the walk."""
        seen = {fact.span_id}
        while fact.parent_span_id and fact.parent_span_id not in seen:
            seen.add(fact.parent_span_id)
            parent = self._by_place.get((fact.trace_id, fact.parent_span_id))
            if parent is None:
                return
            yield parent
            fact = parent

    def is_ancestor(self, upper: Fact, lower: Fact) -> bool:
        """Whether ``upper`` lies above ``lower`` in the same trace."""
        return upper.trace_id == lower.trace_id and any(
            above.span_id == upper.span_id for above in self.ancestors(lower)
        )
