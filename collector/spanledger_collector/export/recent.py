"""The stored facts of recent traces, in memory: a trace that goes on batch after batch is not read again each time.

A key (a trace, a response id, a match key in some slice of time) is kept with all its facts, or not at all: from the
first of them on, where ``seen`` knows of none before it, or as the store answered. It holds, as ``seen`` does, only
while nobody else writes facts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice

from spanledger_collector.compiled import twin
from spanledger_collector.export.seen import NewKeys, SeenKeys
from spanledger_collector.merge.keys import response_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import FACT_FIELDS, Fact

KEPT_BYTES = 96 * 2**20
"""Near what the facts of one kind of key take at most, nearly all of them the same facts for each kind. Of a kind whose
keys have filled half of it, those that were not asked for since the half before was full are let go."""
_BYTES_A_FACT = 900
"""Without its texts."""
_WEIGHED = 100
"""So many of a batch are weighed for all of it."""
_TRACE_ID, _RESPONSE_ID = FACT_FIELDS.index("trace_id"), FACT_FIELDS.index("response_id")


class RecentFacts:
    """Facts that are in the store, or will be before the next question, by key. For one thread."""

    def __init__(self, seen: SeenKeys, kept_bytes: int = KEPT_BYTES) -> None:
        compiled = twin("export.compiled_recent")
        kept: type[Kept] = Kept if compiled is None else compiled.Kept
        self._seen = seen
        self._traces, self._responses, self._matches = kept(kept_bytes), kept(kept_bytes), kept(kept_bytes)

    def of_traces(self, trace_ids: Iterable[str]) -> tuple[list[Fact], list[str]]:
        """The facts of those traces that are kept, and the traces that are to be asked for."""
        return self._traces.found(self._seen.traces(trace_ids))

    def of_responses(self, response_ids: Iterable[str]) -> tuple[list[Fact], list[str]]:
        """The same of response ids."""
        return self._responses.found(self._seen.responses(response_ids))

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
        _keep(self._traces, trace_ids, ((fact.trace_id, fact) for fact in facts))

    def answered_responses(self, response_ids: Iterable[str], facts: Iterable[Fact]) -> None:
        """The same of response ids."""
        _keep(self._responses, response_ids, ((fact.response_id, fact) for fact in facts))

    def expect(self, facts: Collection[Fact], match_keys: Collection[int], new: NewKeys) -> None:
        """Keep facts that will be stored before the next are expected; ``new`` are the keys they brought."""
        sample = list(islice(facts, 0, None, max(1, len(facts) // _WEIGHED)))
        weight_bytes = _BYTES_A_FACT + sum(map(_text_bytes, sample)) // max(1, len(sample))
        self._traces.add_by(_TRACE_ID, facts, weight_bytes, new.traces)
        self._responses.add_by(_RESPONSE_ID, facts, weight_bytes, new.responses)
        for fact, key in zip(facts, match_keys, strict=True):
            # Calls with an id are seldom asked for by their match keys.
            if key and not response_key(fact.response_id):
                for name in self._seen.slices(fact, key):
                    self._matches.add(name, fact, weight_bytes, new.names)

    def forget(self) -> None:
        """Keep nothing: it is not known which facts are stored."""
        for kept in (self._traces, self._responses, self._matches):
            kept.clear()


class _Facts(list[Fact]):
    """All facts of a key, and near how many bytes they take."""

    __slots__ = ("size_bytes",)

    def __init__(self, facts: Iterable[Fact] = (), size_bytes: int = 0) -> None:
        super().__init__(facts)
        self.size_bytes = size_bytes


class Kept:
    """Facts by key in two halves: the one in use, and the one before, which is let go when the other is full.

    Nearly all response ids are those of one fact, which is kept as it is.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._half_bytes = limit_bytes // 2
        self._fact_bytes = 0
        self.clear()

    def clear(self) -> None:
        """Let go of everything."""
        self._young: dict[str, _Facts | Fact] = {}
        self._old: dict[str, _Facts | Fact] = {}
        self._young_bytes = 0

    def get(self, key: str) -> Sequence[Fact] | None:
        """All facts of a key, or ``None`` where it is not kept."""
        found = self._get(key)
        return (found,) if isinstance(found, Fact) else found

    def begin(self, key: str) -> None:
        """Keep a key that no fact has yet."""
        self._young[key] = _Facts()

    def add(self, key: str, fact: Fact, weight_bytes: int, begun: set[str]) -> None:
        """Add a fact where its key is kept, or is ``begun`` with it."""
        self._fact_bytes = size_bytes = weight_bytes
        found = self._get(key)
        if found is None:
            if key not in begun:
                return
            # Once: should it be let go before the next fact of it, it is not all there any more.
            begun.discard(key)
            self._young[key] = fact
        elif isinstance(found, Fact):
            size_bytes *= 2
            self._young[key] = _Facts((found, fact), size_bytes)
        else:
            found.append(fact)
            size_bytes = found.size_bytes = found.size_bytes + weight_bytes
        self._weigh(weight_bytes)
        if size_bytes > self._half_bytes:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def add_by(self, field: int, facts: Iterable[Fact], weight_bytes: int, begun: set[str]) -> None:
        """The same for each fact, whose key is its field of this number; one without a key is left out."""
        for fact in facts:
            key = str(fact[field])
            if key:
                self.add(key, fact, weight_bytes, begun)

    def found(self, keys: Iterable[str]) -> tuple[list[Fact], list[str]]:
        """The facts of those keys that are kept, and the other keys."""
        facts: list[Fact] = []
        others = []
        for key in keys:
            found = self.get(key)
            if found is None:
                others.append(key)
            else:
                facts.extend(found)
        return facts, others

    def _get(self, key: str) -> _Facts | Fact | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._young[key] = found
            self._weigh(self._fact_bytes if isinstance(found, Fact) else found.size_bytes)
        return found

    def _weigh(self, more_bytes: int) -> None:
        self._young_bytes += more_bytes
        if self._young_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0


def _keep(kept: Kept, keys: Iterable[str], facts: Iterable[tuple[str, Fact]]) -> None:
    for key in keys:
        kept.begin(key)
    for key, fact in facts:
        kept.add(key, fact, _BYTES_A_FACT + _text_bytes(fact), set())


def _text_bytes(fact: Fact) -> int:
    return sum(len(value) for value in fact if type(value) is str)
