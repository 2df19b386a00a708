"""The tree of a trace, as far as facts tell it."""

from __future__ import annotations

from collections.abc import Iterable

from spanledger_collector.model import Fact

_MAX_KEPT_ANCESTORS = 64
"""Deeper chains are walked each time: keeping them for every span of one would take memory by its square."""


class Traces:
    """Facts by their place in their traces."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._by_place = {(fact.trace_id, fact.span_id): fact for fact in facts}
        self._above: dict[tuple[str, str], tuple[Fact, ...]] = {}

    def ancestors(self, fact: Fact) -> tuple[Fact, ...]:
        """The parent, its parent and so on, as far as known; a loop in broken data ends the walk."""
        if not fact.parent_span_id:
            return ()
        parent = (fact.trace_id, fact.parent_span_id)
        above = self._above.get(parent)
        if above is None:
            above, has_loop = self._walk(fact)
            # A loop ends where it began, which differs from sibling to sibling.
            if not has_loop and len(above) <= _MAX_KEPT_ANCESTORS:
                self._above[parent] = above
        return above

    def _walk(self, fact: Fact) -> tuple[tuple[Fact, ...], bool]:
        seen = {fact.span_id}
        above: list[Fact] = []
        while fact.parent_span_id and fact.parent_span_id not in seen:
            seen.add(fact.parent_span_id)
            parent = self._by_place.get((fact.trace_id, fact.parent_span_id))
            if parent is None:
                return tuple(above), False
            above.append(parent)
            fact = parent
        return tuple(above), bool(fact.parent_span_id)

    def is_ancestor(self, upper: Fact, lower: Fact) -> bool:
        """Whether ``upper`` lies above ``lower`` in the same trace."""
        return upper.trace_id == lower.trace_id and any(
            above.span_id == upper.span_id for above in self.ancestors(lower)
        )
