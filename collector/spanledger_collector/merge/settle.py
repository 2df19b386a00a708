"""Keeps the ledger in step with the facts: ``Settler.settle`` says what to write when spans arrive.

Calls are written before the facts they follow from. If the process dies in between, the clients send again, the same
facts are new again and lead to the same rows with the same versions; nothing is lost and nothing is counted twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from spanledger_collector.compiled import twin
from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.fold import LedgerRow, RowKey, fold
from spanledger_collector.merge.keys import is_hosted, match_key, response_key
from spanledger_collector.merge.wanted import MAX_WANTED_PARENTS, Wanted
from spanledger_collector.model import BILLABLE, Fact


class MatchWindow(NamedTuple):
    """Calls that are of interest: of one match key, in an interval of nanoseconds since the epoch."""

    match_key: int
    start_ns: int
    end_ns: int
    unidentified: bool
    """Only those without a response id: two calls that have one are told apart by it."""

    def holds(self, fact: Fact) -> bool:
        """Whether ``fact``, of the same match key, is of interest."""
        return (
            fact.started_at_ns <= self.end_ns + CONTAINMENT_TOLERANCE_NS
            and fact.ended_at_ns >= self.start_ns - CONTAINMENT_TOLERANCE_NS
            and not (self.unidentified and response_key(fact.response_id))
        )


SpanPlace = tuple[str, str]
"""Trace id and span id."""

ContextMakers = Mapping[SpanPlace, Callable[[], Fact]]
"""Makers of the context facts that plain spans would be; none is made before it is asked for."""


class FactStore(Protocol):
    """Where facts are kept: ``export.ledger.Ledger``, and its twin in memory."""

    def facts_of_traces(self, trace_ids: Collection[str]) -> Iterable[Fact]:
        """All facts of these traces."""

    def facts_of_responses(self, response_ids: Collection[str]) -> Iterable[Fact]:
        """All facts with one of these response ids."""

    def facts_matching(self, windows: Collection[MatchWindow]) -> Iterable[Fact]:
        """All calls that one of these windows holds."""

    def spans_as_context(self, places: Collection[SpanPlace]) -> Iterable[Fact]:
        """Context facts made of plain spans that arrived earlier, as far as they are still kept."""

    def absent_parents(self, limit: int) -> Collection[SpanPlace]:
        """The parents that facts name and that are no facts, the newest ``limit`` of them."""


class Settlement:
    """What to write, in this order: the rows that change, and the facts they follow from."""

    def __init__(self, rows: list[LedgerRow], facts: list[Fact], stored: Collection[Fact] = ()) -> None:
        """``stored`` are the facts that were there already, and that bear on the new ones."""
        self.rows = rows
        self.facts = facts
        self._stored = stored

    @cached_property
    def before(self) -> Mapping[RowKey, LedgerRow]:
        """All rows of what bears on the new facts, without them; worked out for who asks."""
        return fold(self._stored)

    @cached_property
    def after(self) -> Mapping[RowKey, LedgerRow]:
        """The same with them."""
        return fold((*self._stored, *self.facts))


class Settler:
    """Finds what new facts touch, and the rows that change because of them. For one thread."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        # Survives a restart by being derived again from the facts.
        self._wanted = Wanted(store.absent_parents(MAX_WANTED_PARENTS))

    def settle(self, new: Collection[Fact], plain: ContextMakers) -> Settlement:
        """The consequences of ``new`` facts and of plain spans, given as makers of their context facts.

        A plain span becomes a fact only when a call below it wants to know its ancestors.
        """
        awaited = [plain[place]() for place in _among(plain, self._wanted)]
        if not new and not awaited:
            return Settlement([], [])
        compiled = twin("merge.compiled_settle")
        if compiled is not None:
            return Settlement(*compiled.settle(self._store, self._wanted, (*new, *awaited), plain))
        arrived = {*new, *awaited}
        stored = self._related(arrived)
        known = stored | arrived
        known |= self._contexts_above(known, plain)
        before, after = fold(stored), fold(known)
        rows = [row for key, row in after.items() if key not in before or before[key].call != row.call]
        rows.extend(
            LedgerRow(key, None, old.version + 1) for key, old in before.items() if key not in after and old.call
        )
        return Settlement(rows, list(known - stored), stored)

    def _related(self, facts: set[Fact]) -> set[Fact]:
        """The stored facts that bear on ``facts``, or on what bears on them."""
        found: set[Fact] = set()
        seen_traces: set[str] = set()
        seen_responses: set[str] = set()
        seen_windows: set[MatchWindow] = set()
        frontier = facts
        while frontier:
            calls = [fact for fact in frontier if fact.kind in BILLABLE]
            traces = {fact.trace_id for fact in frontier} - seen_traces
            identified = (*calls, *filter(is_hosted, frontier))
            responses = {key for fact in identified if (key := response_key(fact.response_id))} - seen_responses
            windows = set(map(_window, calls)) - seen_windows
            seen_traces |= traces
            seen_responses |= responses
            seen_windows |= windows
            reached: set[Fact] = set()
            if traces:
                reached.update(self._store.facts_of_traces(traces))
            if responses:
                reached.update(self._store.facts_of_responses(responses))
            if windows:
                reached.update(self._store.facts_matching(windows))
            frontier = reached - found
            found |= frontier
        return found

    def _contexts_above(self, known: set[Fact], plain: ContextMakers) -> set[Fact]:
        """Plain spans between the known facts and their ancestors: of this batch, of earlier ones, or wanted later."""
        places = {(fact.trace_id, fact.span_id) for fact in known}
        contexts: set[Fact] = set()
        missing = {place for fact in known if (place := _parent(fact)) and place not in places}
        while missing:
            found = {plain[place]() for place in missing if place in plain}
            absent = missing - {(fact.trace_id, fact.span_id) for fact in found}
            # A parent that is wanted already was looked for in the store when it was first missed.
            unasked = [place for place in absent if place not in self._wanted]
            if unasked:
                found.update(self._store.spans_as_context(unasked))
            contexts |= found
            places |= {(fact.trace_id, fact.span_id) for fact in found}
            self._wanted.add(place for place in missing if place not in places)
            missing = {place for fact in found if (place := _parent(fact)) and place not in places}
        arrived: dict[str, set[str]] = defaultdict(set)
        for trace_id, span_id in places:
            arrived[trace_id].add(span_id)
        for trace_id, span_ids in arrived.items():
            self._wanted.discard(trace_id, span_ids)
        return contexts


def _window(call: Fact) -> MatchWindow:
    return MatchWindow(match_key(call), call.started_at_ns, call.ended_at_ns, bool(response_key(call.response_id)))


def _parent(fact: Fact) -> SpanPlace | None:
    return (fact.trace_id, fact.parent_span_id) if fact.parent_span_id else None


def _among(plain: ContextMakers, wanted: Wanted) -> Iterable[SpanPlace]:
    """The wanted places that are in ``plain``, which may have a faster way to tell."""
    among: Any = getattr(plain, "among", None)
    return [place for place in wanted if place in plain] if among is None else among(wanted)
