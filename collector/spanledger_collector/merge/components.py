"""Which facts can bear on one another: those of one trace, and those that share a handle across traces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.keys import is_hosted, match_key, response_key
from spanledger_collector.model import BILLABLE, Fact


def components(facts: Iterable[Fact]) -> list[list[Fact]]:
    """``facts`` split so that nothing in one part can change a row made of another. Parts only grow with more facts."""
    by_trace: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_trace[fact.trace_id].append(fact)
    parents = {trace_id: trace_id for trace_id in by_trace}

    def root(trace_id: str) -> str:
        while parents[trace_id] != trace_id:
            parents[trace_id] = parents[parents[trace_id]]
            trace_id = parents[trace_id]
        return trace_id

    for one, other in _links(by_trace):
        parents[root(one)] = root(other)
    joined: dict[str, list[Fact]] = defaultdict(list)
    for trace_id, members in by_trace.items():
        joined[root(trace_id)].extend(members)
    return list(joined.values())


def _links(by_trace: dict[str, list[Fact]]) -> Iterator[tuple[str, str]]:
    """Pairs of traces that share a response id, or hold calls that could be copies without one."""
    first_with: dict[str, str] = {}
    by_match: dict[int, list[Fact]] = defaultdict(list)
    for trace_id, members in by_trace.items():
        for fact in members:
            key = response_key(fact.response_id) if fact.kind in BILLABLE or is_hosted(fact) else ""
            if key:
                yield first_with.setdefault(key, trace_id), trace_id
            if fact.kind in BILLABLE:
                by_match[match_key(fact)].append(fact)
    for matching in by_match.values():
        yield from overlapping(matching)


def overlapping(matching: list[Fact]) -> Iterator[tuple[str, str]]:
    """Links between calls that run one into the other's time, where at least one of the two lacks a response id."""
    if len(matching) < 2 or all(response_key(fact.response_id) for fact in matching):
        return
    matching.sort(key=lambda fact: fact.started_at_ns)
    # Calls without an id that overlap are linked, so that of them the one that ends last stands for all; of those with
    # an id each has to be kept until one without has linked them.
    unidentified: Fact | None = None
    identified: list[Fact] = []
    for fact in matching:
        earliest_ns = fact.started_at_ns - CONTAINMENT_TOLERANCE_NS
        if unidentified and unidentified.ended_at_ns >= earliest_ns:
            yield unidentified.trace_id, fact.trace_id
        if response_key(fact.response_id):
            identified.append(fact)
            continue
        running = [other for other in identified if other.ended_at_ns >= earliest_ns]
        yield from ((other.trace_id, fact.trace_id) for other in running)
        identified = [max(running, key=_ended_at_ns)] if running else []
        if not unidentified or fact.ended_at_ns > unidentified.ended_at_ns:
            unidentified = fact


def _ended_at_ns(fact: Fact) -> int:
    return fact.ended_at_ns
