"""The batch that is being written, for questions that come before the store has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import ContextMakers, MatchWindow, SpanPlace
from spanledger_collector.model import FACT_FIELDS, Fact


class Latest:
    """Facts and plain spans of one batch, found as the store finds them once it has them."""

    def __init__(self, facts: Collection[Fact] = (), contexts: ContextMakers | None = None) -> None:
        self.facts = facts
        self.match_keys = list(map(match_key, facts))
        self._contexts: ContextMakers = {} if contexts is None else contexts

    def having(self, column: str, values: Collection[str]) -> list[Fact]:
        """The facts with one of these values in that column, as ``trace_id``."""
        field, wanted = FACT_FIELDS.index(column), frozenset(values)
        return [fact for fact in self.facts if fact[field] in wanted]

    def matching(self, windows: Iterable[MatchWindow]) -> list[Fact]:
        """The calls that one of these windows holds."""
        by_key: dict[int, list[MatchWindow]] = {}
        for window in windows:
            by_key.setdefault(window.match_key, []).append(window)
        return [
            fact
            for fact, key in zip(self.facts, self.match_keys, strict=True)
            if key in by_key and any(window.holds(fact) for window in by_key[key])
        ]

    def as_context(self, places: Iterable[SpanPlace]) -> dict[SpanPlace, Fact]:
        """The context facts of those ``places`` that are plain spans of the batch."""
        return {place: self._contexts[place]() for place in places if place in self._contexts}
