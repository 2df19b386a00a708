"""Which facts are copies of one call or of one tool execution.

1. Facts with the same response id are one call, in whichever traces they are.
2. A fact without one joins the call it fits: another instrumentor (scope) of the same process, same model, same counts,
   one interval inside the other; an ancestor or descendant is preferred, then the nearest start.
3. A call without a copy of its own that has calls of another instrumentor below it only wraps them.
4. An agent with usage of its own is a call where none is seen below it or has its response id: a provider runs it.

Facts of one scope are matched without an id only where one is the parent of the other: some instrumentors nest two
spans of one call, but two equal calls at the same time are two calls.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable

from spanledger_collector.merge.keys import has_counts, is_hosted, match_key, own_call_id, response_key
from spanledger_collector.merge.trace import Traces
from spanledger_collector.model import BILLABLE, Fact

CONTAINMENT_TOLERANCE_NS = 20_000_000
"""How far a copy may stick out of the interval of the other: clocks of one process, read at different layers."""

Group = list[Fact]


def group_calls(facts: Iterable[Fact], traces: Traces) -> list[Group]:
    """The billable calls among ``facts``, each with all its copies; wrappers are in no group."""
    by_response: dict[str, Group] = defaultdict(list)
    without_id: list[Fact] = []
    for fact in facts:
        if fact.kind not in BILLABLE:
            continue
        key = response_key(fact.response_id)
        if key:
            by_response[key].append(fact)
        else:
            without_id.append(fact)
    groups = list(by_response.values())
    if without_id:
        alone = _join_matching(without_id, groups, traces)
        groups.extend(_without_wrappers(alone, groups, traces))
    return groups


def group_hosted(facts: Iterable[Fact], traces: Traces) -> list[Group]:
    """The agents among ``facts`` that a provider runs behind its API, each with all its copies."""
    seen = [fact for fact in facts if fact.kind in BILLABLE or is_hosted(fact)]
    if not any(fact.kind == "agent" for fact in seen):
        return []
    above = {(upper.trace_id, upper.span_id) for fact in seen for upper in traces.ancestors(fact)}
    called = {response_key(fact.response_id) for fact in seen if fact.kind in BILLABLE}
    groups: dict[str, Group] = defaultdict(list)
    for fact in seen:
        key = response_key(fact.response_id)
        if fact.kind == "agent" and (fact.trace_id, fact.span_id) not in above and (not key or key not in called):
            groups[own_call_id(fact)].append(fact)
    return list(groups.values())


def group_tools(facts: Iterable[Fact], traces: Traces) -> list[Group]:
    """The tool executions, each with all its copies.

    Copies have the same tool call id in one trace, or lie below one another with the same name, and come from different
    instrumentors: an ``execute_tool`` span, and the MCP client and server spans below it.
    """
    by_trace: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.kind == "tool":
            by_trace[fact.trace_id].append(fact)
    return [group for tools in by_trace.values() for some in _comparable(tools) for group in _executions(some, traces)]


def _comparable(tools: list[Fact]) -> Collection[list[Fact]]:
    """The tools of a trace, split so that copies stay together: one instrumentor's have the same tool call id."""
    if len({tool.scope for tool in tools}) > 1:
        return [tools]
    by_id: dict[str, list[Fact]] = defaultdict(list)
    for tool in tools:
        by_id[tool.tool_call_id or tool.span_id].append(tool)
    return by_id.values()


def _executions(tools: list[Fact], traces: Traces) -> list[Group]:
    if len(tools) == 1:
        return [tools]
    groups: list[Group] = []
    for tool in sorted(tools, key=_order):
        for group in groups:
            if all(_same_execution(tool, member, traces) for member in group):
                group.append(tool)
                break
        else:
            groups.append([tool])
    return groups


def _order(fact: Fact) -> tuple[int, int, str, str]:
    """Outer before inner, then by id: the same whatever the order of arrival."""
    return (fact.started_at_ns, -fact.ended_at_ns, fact.trace_id, fact.span_id)


def _same_execution(tool: Fact, other: Fact, traces: Traces) -> bool:
    if tool.tool_call_id and other.tool_call_id:
        same_id = tool.tool_call_id == other.tool_call_id
        return same_id and (tool.scope != other.scope or _nested(tool, other, traces))
    if tool.scope == other.scope or tool.tool_name != other.tool_name:
        return False
    return _nested(tool, other, traces) or _span_and_record(tool, other)


def _nested(one: Fact, other: Fact, traces: Traces) -> bool:
    return traces.is_ancestor(one, other) or traces.is_ancestor(other, one)


def _span_and_record(tool: Fact, other: Fact) -> bool:
    """Whether one emitter says the same by a span and by a log record, which have no common id."""
    hashes = {tool.tool_arguments_hash, other.tool_arguments_hash} - {""}
    return tool.dialect == other.dialect and len(hashes) < 2 and _one_inside_other(tool, other)


def _join_matching(without_id: list[Fact], groups: list[Group], traces: Traces) -> list[Group]:
    """Add each fact to the group it fits best; return the groups of those that found none."""
    by_key: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        for key in {match_key(member) for member in group}:
            by_key[key].append(group)
    new_groups: list[Group] = []
    pending: dict[int, list[Fact]] = defaultdict(list)
    for fact in sorted(without_id, key=_order):
        pending[match_key(fact)].append(fact)
    for key, matching in pending.items():
        alone = _assign(matching, by_key.get(key, []), traces)
        if _cannot_be_copies(alone):
            new_groups.extend([fact] for fact in alone)
            continue
        # Those left over may be copies of one another: the outermost opens a group, the others may join it.
        while alone:
            outermost, *others = alone
            group = [outermost]
            new_groups.append(group)
            latest_ns = outermost.ended_at_ns + CONTAINMENT_TOLERANCE_NS
            overlapping = bisect_right(others, latest_ns, key=_start_ns)
            alone = _assign(others[:overlapping], [group], traces) + others[overlapping:]
    return new_groups


def _cannot_be_copies(facts: list[Fact]) -> bool:
    """Whether no two of these can be one call: a storm of failed calls is of one scope, and none calls another."""
    if len({fact.scope for fact in facts}) > 1:
        return False
    places = {(fact.trace_id, fact.span_id) for fact in facts}
    return not any((fact.trace_id, fact.parent_span_id) in places for fact in facts)


def _assign(facts: list[Fact], groups: list[Group], traces: Traces) -> list[Fact]:
    """Best pairs first; a group takes one fact of each scope. Returns the facts that fit nowhere."""
    nearby = _Nearby(groups)
    pairs = sorted(
        (fit, fact_number, group_number)
        for fact_number, fact in enumerate(facts)
        for group_number in nearby.of(fact)
        if (fit := _fit(fact, groups[group_number], traces)) is not None
    )
    taken: set[int] = set()
    for _, fact_number, group_number in pairs:
        fact, group = facts[fact_number], groups[group_number]
        if fact_number not in taken and _adds_to(fact, group):
            group.append(fact)
            taken.add(fact_number)
    return [fact for number, fact in enumerate(facts) if number not in taken]


class _Nearby:
    """Finds the groups that a fact may overlap without looking at all of them."""

    def __init__(self, groups: list[Group]) -> None:
        self._members = sorted((m.started_at_ns, number) for number, group in enumerate(groups) for m in group)
        self._longest_ns = max((m.ended_at_ns - m.started_at_ns for group in groups for m in group), default=0)

    def of(self, fact: Fact) -> set[int]:
        """Their numbers."""
        earliest_ns = fact.started_at_ns - self._longest_ns - CONTAINMENT_TOLERANCE_NS
        first = bisect_left(self._members, (earliest_ns, 0))
        last = bisect_left(self._members, (fact.ended_at_ns + CONTAINMENT_TOLERANCE_NS + 1, 0))
        return {number for _, number in self._members[first:last]}


def _fit(fact: Fact, group: Group, traces: Traces) -> tuple[bool, bool, int, str, str] | None:
    """How well ``fact`` fits a copy in ``group``, less is better; ``None`` where it does not."""
    fits = [
        (
            not _nested(fact, member, traces),
            fact.input_tokens != member.input_tokens,
            abs(fact.started_at_ns - member.started_at_ns),
            member.trace_id,
            member.span_id,
        )
        for member in group
        if _adds_to(fact, [member]) and match_key(member) == match_key(fact) and _one_inside_other(fact, member)
    ]
    return min(fits, default=None)


def _adds_to(fact: Fact, group: Group) -> bool:
    """Whether a copy from this instrumentor can be missing in ``group``: it has none, or one right above or below."""
    of_scope = [member for member in group if member.scope == fact.scope]
    return not of_scope or any(_is_parent(fact, member) or _is_parent(member, fact) for member in of_scope)


def _start_ns(fact: Fact) -> int:
    return fact.started_at_ns


def _is_parent(upper: Fact, lower: Fact) -> bool:
    return (upper.trace_id, upper.span_id) == (lower.trace_id, lower.parent_span_id)


def _one_inside_other(one: Fact, other: Fact) -> bool:
    return _inside(one, other) or _inside(other, one)


def _inside(inner: Fact, outer: Fact) -> bool:
    return (
        inner.started_at_ns >= outer.started_at_ns - CONTAINMENT_TOLERANCE_NS
        and inner.ended_at_ns <= outer.ended_at_ns + CONTAINMENT_TOLERANCE_NS
    )


def _without_wrappers(alone: list[Group], groups: list[Group], traces: Traces) -> list[Group]:
    """Drop calls that found no copy but have a call of another scope below them: they only wrap it.

    So does a call without usage that has one of its own scope right below it.
    """
    wrapping = {
        (above.trace_id, above.span_id)
        for group in (*groups, *alone)
        for member in group
        for above in traces.ancestors(member)
        if above.kind in BILLABLE
        and (above.scope != member.scope or (_is_parent(above, member) and not has_counts(above)))
    }
    return [group for group in alone if len(group) > 1 or (group[0].trace_id, group[0].span_id) not in wrapping]
