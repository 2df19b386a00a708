"""The in-memory twin of the ledger: the same seam, for tests and for reasoning about a set of spans without a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

from spanledger_collector.export.latest import Latest
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.fold import RowKey
from spanledger_collector.merge.keys import match_key
from spanledger_collector.merge.settle import ContextMakers, MatchWindow, SpanPlace
from spanledger_collector.model import Call, Fact, Resource
from spanledger_collector.native import rows_of
from spanledger_collector.normalise import context


class MemoryLedger:
    """Holds what is written and answers like ``export.ledger.Ledger``."""

    def __init__(self) -> None:
        self.facts: set[Fact] = set()
        self.rows: dict[RowKey, LedgerRow] = {}
        self.spans: dict[SpanPlace, dict[str, Any]] = {}
        self._latest = Latest()

    def calls(self) -> list[Call]:
        """The ledger as a query would see it, in order of start."""
        standing = (row.call for row in self.rows.values() if row.call is not None)
        return sorted(standing, key=lambda call: (call.started_at_ns, call.call_id))

    def write_spans(self, blocks: bytes) -> None:
        """See ``Ledger``."""
        for span in rows_of(blocks):
            self.spans[span["TraceId"], span["SpanId"]] = span

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """See ``Ledger``: the highest version stands, of equal ones the last."""
        for row in rows:
            standing = self.rows.get(row.key)
            if standing is None or row.version >= standing.version:
                self.rows[row.key] = row

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``Ledger``."""
        self.facts.update(facts)

    def expect(self, facts: Collection[Fact], contexts: ContextMakers) -> None:
        """See ``Ledger``."""
        self._latest = Latest(facts, contexts)

    def forget(self) -> None:
        """See ``Ledger``."""
        self._latest = Latest()

    def facts_of_traces(self, trace_ids: Collection[str]) -> set[Fact]:
        """See ``FactStore``."""
        return {fact for fact in self._known() if fact.trace_id in trace_ids}

    def facts_of_responses(self, response_ids: Collection[str]) -> set[Fact]:
        """See ``FactStore``."""
        return {fact for fact in self._known() if fact.response_id in response_ids}

    def facts_matching(self, windows: Collection[MatchWindow]) -> set[Fact]:
        """See ``FactStore``."""
        return {
            fact
            for fact in self._known()
            if any(window.match_key == match_key(fact) and window.holds(fact) for window in windows)
        }

    def _known(self) -> Iterator[Fact]:
        # Of the set a copy, made at once: another thread may be writing to it.
        return chain(self._latest.facts, self.facts.copy())

    def spans_as_context(self, places: Collection[SpanPlace]) -> Iterable[Fact]:
        """See ``FactStore``."""
        expected = self._latest.as_context(places)
        yield from expected.values()
        for trace_id, span_id in places:
            span = self.spans.get((trace_id, span_id))
            if span is not None and (trace_id, span_id) not in expected:
                resource = Resource(span["ResourceAttributes"])
                yield context(trace_id, span_id, span["ParentSpanId"], span["SpanAttributes"], resource)

    def absent_parents(self, limit: int) -> list[SpanPlace]:
        """See ``FactStore``."""
        places = {(fact.trace_id, fact.span_id) for fact in self.facts}
        parents = {(fact.trace_id, fact.parent_span_id) for fact in self.facts if fact.parent_span_id}
        return sorted(parents - places)[:limit]
