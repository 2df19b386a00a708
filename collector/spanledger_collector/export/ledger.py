"""The tables as the stages see them: facts in and out, calls in, spans in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from spanledger_collector.export.latest import Latest
from spanledger_collector.export.recent import RecentFacts
from spanledger_collector.export.records import CALLS, FACTS, Table, column_name
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.fold import NS_PER_HOUR, RowKey
from spanledger_collector.merge.keys import WEAK_RESPONSE_ID, match_key, variant
from spanledger_collector.merge.settle import ContextMakers, MatchWindow, SpanPlace
from spanledger_collector.model import CALL_FIELDS, FACT_FIELDS, REPRICING_BITS, Fact, Resource
from spanledger_collector.normalise import context
from spanledger_collector.rolled_days import RolledDays

_IDS_PER_QUERY = 2_000
"""Keeps a statement well below ClickHouse's `max_query_size` (256 KiB)."""
_PARENTS_AWAITED_DAYS = 7
"""After a restart; what is older is left alone, so that the question does not grow with the ledger."""


_SELECT_FACTS = "SELECT {} FROM facts WHERE ".format(  # noqa: S608 - names of our own columns
    ", ".join(f"toUnixTimestamp64Nano({column_name(f)})" if f.endswith("_ns") else f for f in FACT_FIELDS)
)
_EMPTY_CALL = {name: CALLS.empty_row[name] for name in map(column_name, CALL_FIELDS)}


class Ledger:
    """Facts, calls and spans in the store. The reading half is the merge's ``FactStore``."""

    def __init__(self, store: Store, seen: SeenKeys | None = None) -> None:
        """``seen`` spares questions; it is to be left out where others write to the store."""
        self._store = store
        self._seen = seen
        self._recent = RecentFacts(seen) if seen else None
        self._latest = Latest()
        self._rolled_days = RolledDays(store)

    def write_spans(self, blocks: bytes) -> None:
        """Insert rows of ``otel_traces``, given in the Native format."""
        self._store.insert_native("otel_traces", blocks)

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """Insert rows of ``calls``; of rows with the same key ClickHouse keeps the one with the highest version."""
        self._rolled_days.give_up_hours({row.key[0] for row in rows})
        self._insert(
            CALLS,
            [row.call or _nothing_at(row.key) for row in rows],
            [row.version << REPRICING_BITS for row in rows],
            [0 if row.call else 1 for row in rows],
        )

    def write_facts(self, facts: Collection[Fact]) -> None:
        """Insert facts; one that is there already stays one."""
        latest = self._latest
        match_keys = latest.match_keys if facts is latest.facts else list(map(match_key, facts))
        self._insert(FACTS, facts, match_keys, list(map(variant, facts)))

    def expect(self, facts: Collection[Fact], contexts: ContextMakers) -> None:
        """Answer from now on as if these facts were stored, and the plain spans that ``contexts`` are made of.

        What was expected before has been written by now. For the thread that asks; others may write meanwhile.
        """
        self._latest = Latest(facts, contexts)
        if self._seen and self._recent:
            new = self._seen.add(facts, self._latest.match_keys)
            self._recent.expect(facts, self._latest.match_keys, new)

    def forget(self) -> None:
        """Expect nothing, and ask the store again for all that it may have: a write failed."""
        self._latest = Latest()
        if self._recent:
            self._recent.forget()

    def _insert(self, table: Table, rows: Collection[tuple[Any, ...]], *more: Sequence[int]) -> None:
        if rows:
            columns, block = table.block(rows, *more)
            self._store.insert_native(table.name, block, columns)

    def facts_of_traces(self, trace_ids: Collection[str]) -> Collection[Fact]:
        """See ``FactStore``."""
        if not self._recent:
            return self._facts_of("trace_id", trace_ids)
        facts, asked = self._recent.of_traces(trace_ids)
        if not asked:
            return facts
        answered = self._facts_of("trace_id", asked)
        self._recent.answered_traces(asked, answered)
        return [*facts, *answered]

    def facts_of_responses(self, response_ids: Collection[str]) -> Collection[Fact]:
        """See ``FactStore``."""
        if not self._recent:
            return self._facts_of("response_id", response_ids)
        facts, asked = self._recent.of_responses(response_ids)
        if not asked:
            return facts
        answered = self._facts_of("response_id", asked)
        self._recent.answered_responses(asked, answered)
        return [*facts, *answered]

    def facts_matching(self, windows: Collection[MatchWindow]) -> Iterator[Fact]:
        """See ``FactStore``."""
        if self._recent:
            facts, windows = self._recent.matching(windows)
            yield from facts
        if not windows:
            return
        yield from self._latest.matching(windows)
        by_key: dict[int, list[MatchWindow]] = {}
        for window in windows:
            by_key.setdefault(window.match_key, []).append(window)
        earliest_ns = min(window.start_ns for window in windows) - CONTAINMENT_TOLERANCE_NS
        latest_ns = max(window.end_ns for window in windows) + CONTAINMENT_TOLERANCE_NS
        condition = (
            "match_key IN {ids:Array(UInt64)}"
            f" AND started_at <= fromUnixTimestamp64Nano({latest_ns}, 'UTC')"
            f" AND ended_at >= fromUnixTimestamp64Nano({earliest_ns}, 'UTC')"
        )
        if all(window.unidentified for window in windows):
            condition += f" AND match(response_id, '{WEAK_RESPONSE_ID}')"
        for fact in self._facts_in(condition, by_key):
            if any(window.holds(fact) for window in by_key[match_key(fact)]):
                yield fact

    def spans_as_context(self, places: Collection[SpanPlace]) -> Iterator[Fact]:
        """See ``FactStore``."""
        expected = self._latest.as_context(places)
        yield from expected.values()
        for some in _portions((place for place in places if place not in expected), _IDS_PER_QUERY):
            wanted = set(some)
            answer = self._store.query(
                "SELECT TraceId, SpanId, ParentSpanId, SpanAttributes, ResourceAttributes FROM otel_traces "
                "WHERE TraceId IN {trace_ids:Array(String)} AND SpanId IN {span_ids:Array(String)}",
                {"trace_ids": sorted({p[0] for p in some}), "span_ids": sorted({p[1] for p in some})},
            )
            for trace_id, span_id, parent_span_id, attributes, resource_attributes in answer.rows:
                if (trace_id, span_id) in wanted:
                    yield context(trace_id, span_id, parent_span_id, attributes, Resource(resource_attributes))

    def absent_parents(self, limit: int) -> list[SpanPlace]:
        """See ``FactStore``."""
        answer = self._store.query(
            "WITH now() - INTERVAL {days:UInt16} DAY AS since "
            "SELECT trace_id, parent_span_id FROM facts WHERE recorded_at > since AND parent_span_id != '' "
            "AND (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM facts WHERE recorded_at > since) "
            "GROUP BY trace_id, parent_span_id ORDER BY max(started_at) DESC, trace_id, parent_span_id "
            "LIMIT {limit:UInt64}",
            {"limit": limit, "days": _PARENTS_AWAITED_DAYS},
        )
        return [(trace_id, span_id) for trace_id, span_id in reversed(answer.rows)]

    def _facts_of(self, column: str, ids: Collection[str]) -> set[Fact]:
        # The latest before the store: what is written in between is found twice rather than not at all.
        latest = self._latest.having(column, ids)
        return {*latest, *self._facts_in(f"{column} IN {{ids:Array(String)}}", ids)}

    def _facts_in(self, condition: str, ids: Iterable[Any]) -> Iterator[Fact]:
        for some in _portions(ids, _IDS_PER_QUERY):
            for row in self._store.query(_SELECT_FACTS + condition, {"ids": some}).rows:
                yield Fact._make(row)


def _nothing_at(key: RowKey) -> tuple[Any, ...]:
    """What takes a key out of the ledger; only the sorting key, version and mark count."""
    hour, call_id = key
    return tuple({**_EMPTY_CALL, "call_id": call_id, "started_at": hour * NS_PER_HOUR}.values())


def _portions(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion
