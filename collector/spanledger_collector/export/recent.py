"""The stored facts of recent traces, in memory: a trace that goes on batch after batch is not read again each time.

A key (a trace, a response id, a match key in some slice of time) is kept with all its facts, or not at all: from the
first of them on, where ``seen`` knows of none before it, or as the store answered. It holds, as ``seen`` does, only
while nobody else writes facts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain

from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.merge.keys import response_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact

KEPT_BYTES = 96 * 2**20
"""Near what the facts of one kind of key take at most, nearly all of them the same facts for each kind. Of a kind whose
keys have filled half of it, those that were not asked for since the half before was full are let go."""
_BYTES_A_FACT = 1_500
"""Without its texts."""


class RecentFacts:
    """Facts that are in the store, by key. For one thread."""

    def __init__(self, seen: SeenKeys, kept_bytes: int = KEPT_BYTES) -> None:
        self._seen = seen
        self._traces = _Kept(kept_bytes)
        self._responses = _Kept(kept_bytes)
        self._matches = _Kept(kept_bytes)
        self._begun: tuple[set[str], set[str], set[str]] = (set(), set(), set())

    def of_traces(self, trace_ids: Iterable[str]) -> tuple[list[Fact], list[str]]:
        """The facts of those traces that are kept, and the traces that are to be asked for."""
        return _found(self._traces, self._seen.traces(trace_ids))

    def of_responses(self, response_ids: Iterable[str]) -> tuple[list[Fact], list[str]]:
        """The same of response ids."""
        return _found(self._responses, self._seen.responses(response_ids))

    def matching(self, windows: Iterable[MatchWindow]) -> tuple[list[Fact], list[MatchWindow]]:
        """The same of windows."""
        facts: list[Fact] = []
        asked = []
        for window in self._seen.windows(windows):
            found = [self._matches.get(name) for name in self._seen.names(window)]
            if None in found:
                asked.append(window)
            else:
                facts.extend(fact for fact in chain(*filter(None, found)) if window.holds(fact))
        return facts, asked

    def answered_traces(self, trace_ids: Iterable[str], facts: Iterable[Fact]) -> None:
        """Keep what the store answered: all facts of these traces."""
        self._keep(self._traces, trace_ids, ((fact.trace_id, fact) for fact in facts))

    def answered_responses(self, response_ids: Iterable[str], facts: Iterable[Fact]) -> None:
        """The same of response ids."""
        self._keep(self._responses, response_ids, ((fact.response_id, fact) for fact in facts))

    def begin(self, facts: Collection[Fact], match_keys: Collection[int]) -> None:
        """Before ``seen`` knows of facts that are about to be written: which of their keys are new with them."""
        traces = {fact.trace_id for fact in facts}
        responses = {fact.response_id for fact in facts if fact.response_id}
        names = set(chain.from_iterable(self._names(fact, key) for fact, key in zip(facts, match_keys, strict=True)))
        self._begun = (
            traces.difference(self._seen.traces(traces)),
            responses.difference(self._seen.responses(responses)),
            {name for name in names if not self._seen.may_have(name)},
        )

    def written(self, facts: Collection[Fact], match_keys: Collection[int], size_bytes: int) -> None:
        """Keep facts that are stored now, ``size_bytes`` of text and numbers."""
        weight = _BYTES_A_FACT + size_bytes // max(1, len(facts))
        traces, responses, names = self._begun
        for fact, match_key in zip(facts, match_keys, strict=True):
            self._traces.add(fact.trace_id, fact, weight, traces)
            if fact.response_id:
                self._responses.add(fact.response_id, fact, weight, responses)
            for name in self._names(fact, match_key):
                self._matches.add(name, fact, weight, names)

    def forget(self) -> None:
        """Keep nothing: it is not known which facts are stored."""
        for kept in (self._traces, self._responses, self._matches):
            kept.clear()

    def _names(self, fact: Fact, match_key: int) -> Collection[str]:
        """The slices of time of a call without an id; those with one are seldom asked for by anything else."""
        return self._seen.slices(fact, match_key) if match_key and not response_key(fact.response_id) else ()

    def _keep(self, kept: _Kept, keys: Iterable[str], facts: Iterable[tuple[str, Fact]]) -> None:
        for key in keys:
            kept.begin(key)
        for key, fact in facts:
            weight = _BYTES_A_FACT + sum(len(value) for value in fact if type(value) is str)
            kept.add(key, fact, weight, set())


class _Facts(list[Fact]):
    """All facts of a key, and near how many bytes they take."""

    __slots__ = ("size_bytes",)

    def __init__(self) -> None:
        self.size_bytes = 0


class _Kept:
    """Facts by key in two halves: the one in use, and the one before, which is let go when the other is full."""

    def __init__(self, limit_bytes: int) -> None:
        self._half_bytes = limit_bytes // 2
        self.clear()

    def clear(self) -> None:
        self._young: dict[str, _Facts] = {}
        self._old: dict[str, _Facts] = {}
        self._young_bytes = 0

    def get(self, key: str) -> _Facts | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._young[key] = found
            self._weigh(found.size_bytes)
        return found

    def begin(self, key: str) -> _Facts:
        facts = self._young[key] = _Facts()
        return facts

    def add(self, key: str, fact: Fact, weight_bytes: int, begun: set[str]) -> None:
        """Add a fact where its key is kept, or is ``begun`` with it."""
        facts = self.get(key)
        if facts is None:
            if key not in begun:
                return
            # Once: should it be let go before the next fact of it, it is not all there any more.
            begun.discard(key)
            facts = self.begin(key)
        facts.append(fact)
        facts.size_bytes += weight_bytes
        self._weigh(weight_bytes)
        if facts.size_bytes > self._half_bytes:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def _weigh(self, more_bytes: int) -> None:
        self._young_bytes += more_bytes
        if self._young_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0


def _found(kept: _Kept, keys: Iterable[str]) -> tuple[list[Fact], list[str]]:
    facts: list[Fact] = []
    asked = []
    for key in keys:
        found = kept.get(key)
        if found is None:
            asked.append(key)
        else:
            facts.extend(found)
    return facts, asked
