"""The batch that is being written, for questions that come before the store has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from spanledger_collector.merge.settle import MatchWindow, SpanPlace
from spanledger_collector.model import FACT_FIELDS, Fact

_TRACE_ID, _RESPONSE_ID = FACT_FIELDS.index("trace_id"), FACT_FIELDS.index("response_id")

ContextMakers = Mapping[SpanPlace, Callable[[], Fact]]
"""Makers of the context facts that plain spans would be."""


class Latest:
    """Facts and plain spans of one batch, found as the store finds them once it has them."""

    def __init__(
        self,
        facts: Collection[Fact] = (),
        match_keys: Sequence[int] = (),
        contexts: ContextMakers | None = None,
    ) -> None:
        """``match_keys`` are those of ``facts``, in their order."""
        self.facts = facts
        self.match_keys = match_keys
        self._contexts: ContextMakers = {} if contexts is None else contexts

    def of_traces(self, trace_ids: Collection[str]) -> list[Fact]:
        """The facts of these traces."""
        return self._having(_TRACE_ID, trace_ids)

    def of_responses(self, response_ids: Collection[str]) -> list[Fact]:
        """The facts with one of these response ids."""
        return self._having(_RESPONSE_ID, response_ids)

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

    def _having(self, field: int, values: Collection[str]) -> list[Fact]:
        wanted = frozenset(values)
        return [fact for fact in self.facts if fact[field] in wanted] if wanted else []
