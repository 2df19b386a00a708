# cython: language_level=3
"""The compiled twin of ``fold`` and of ``settle``: the same rows of the same facts.

Nearly all facts are calls by themselves, which no rule of ``copies`` can join to another; their rows follow directly.
A component is *plain* when that holds for all of its facts, and where there may be anything to judge, the rules in
Python judge it. The more facts, the less is plain: of a plain component every part is, so that of what was stored
before only those rows can change whose ancestors have arrived.
"""

from spanledger_collector.merge.components import overlapping
from spanledger_collector.merge.fold import fold_component
from spanledger_collector.merge.keys import match_key, response_key
from spanledger_collector.merge.settle import MatchWindow

include "../record.pxi"
include "traces.pxi"
include "rows.pxi"

cdef object _match_key = match_key
cdef object _response_key = response_key
cdef object _MatchWindow = MatchWindow


def fold(facts):
    """See ``fold.fold``."""
    cdef dict traces = {}
    cdef dict rows = {}
    for fact in facts:
        check(fact)
        trace_of(traces, field(fact, _TRACE_ID)).add(fact)
    judged = _components(traces)
    for row in _plain_rows(traces):
        rows[field(row, 0)] = row
    for component in judged:
        rows.update(fold_component(component[0]))
    return rows


def with_calls(rows, calls):
    """See ``fold.with_calls``."""
    cdef list changed = []
    for row, call in zip(rows, calls, strict=True):
        changed.append(made(_LedgerRow, (row[0], call, row[2], ())))
    return changed


def settle(store, wanted, arrived, plain):
    """What ``Settler.settle`` makes of ``arrived``: the rows that change, the facts to write, those that were stored."""
    cdef list arriving = list(arrived)
    cdef dict traces = _stored(store, arriving)
    cdef list new = []
    cdef Trace trace
    cdef list stored = []
    for trace in traces.values():
        trace.stored = len(trace.facts)
        stored.extend(trace.facts)
        trace.said_before = [said_of(fact, trace.above(fact), False) for fact in trace.facts]
        trace.said.clear()
    for fact in arriving:
        if trace_of(traces, field(fact, _TRACE_ID)).add(fact):
            new.append(fact)
    _add_contexts_above(store, wanted, plain, traces, new)
    judged = _components(traces)
    rows = _plain_rows(traces)
    for known, before in judged:
        _add_changes(rows, fold(before) if before else {}, fold_component(known))
    return rows, new, stored


cdef int _add_changes(list rows, dict before, dict after) except -1:
    for key, row in after.items():
        old = before.get(key)
        if old is None or old.call != row.call:
            rows.append(row)
    for key, old in before.items():
        if key not in after and old.call:
            rows.append(_LedgerRow(key, None, old.version + 1))
    return 0


cdef dict _stored(object store, list frontier):
    """By trace, the stored facts that bear on those in ``frontier``, or on what bears on them."""
    cdef dict traces = {}
    cdef set seen_traces = set(), seen_responses = set()
    cdef list trace_ids, response_ids, windows, reached
    while frontier:
        trace_ids, response_ids, windows, reached = [], [], [], []
        for fact in frontier:
            check(fact)
            trace_id = field(fact, _TRACE_ID)
            if trace_id not in seen_traces:
                seen_traces.add(trace_id)
                trace_ids.append(trace_id)
            kind = field(fact, _KIND)
            is_call = is_billable(kind)
            if is_call or (kind == "agent" and has_counts(fact)):
                key = _response_key(field(fact, _RESPONSE_ID))
                if key and key not in seen_responses:
                    seen_responses.add(key)
                    response_ids.append(key)
                if is_call:
                    start_ns, end_ns = field(fact, _STARTED_AT_NS), field(fact, _ENDED_AT_NS)
                    windows.append(made(_MatchWindow, (_match_key(fact), start_ns, end_ns, bool(key))))
        if trace_ids:
            reached.extend(store.facts_of_traces(trace_ids))
        if response_ids:
            reached.extend(store.facts_of_responses(response_ids))
        if windows:
            reached.extend(store.facts_matching(windows))
        frontier = []
        for fact in reached:
            check(fact)
            if trace_of(traces, field(fact, _TRACE_ID)).add(fact):
                frontier.append(fact)
    return traces


cdef int _add_contexts_above(object store, object wanted, object plain, dict traces, list new) except -1:
    """Plain spans between the facts and their ancestors: of this batch, of earlier ones, or wanted later."""
    cdef set missing = set()
    cdef Trace trace
    cdef object wanted_by_trace = wanted.by_trace
    for trace in traces.values():
        _add_missing(missing, trace, trace.facts)
    while missing:
        found = [plain[place]() for place in missing if place in plain]
        unasked = missing.difference([(field(fact, _TRACE_ID), field(fact, _SPAN_ID)) for fact in found])
        # A parent that is wanted already was looked for in the store when it was first missed.
        unasked = [place for place in unasked if place not in wanted]
        if unasked:
            found.extend(store.spans_as_context(unasked))
        for fact in found:
            check(fact)
            if trace_of(traces, field(fact, _TRACE_ID)).add(fact):
                new.append(fact)
        wanted.add([place for place in missing if place[1] not in (<Trace>traces[place[0]]).by_span])
        missing = set()
        for fact in found:
            _add_missing(missing, traces[field(fact, _TRACE_ID)], [fact])
    if wanted_by_trace:
        for trace in traces.values():
            if trace.trace_id in wanted_by_trace:
                wanted.discard(trace.trace_id, trace.by_span)
    return 0


cdef int _add_missing(set missing, Trace trace, list facts) except -1:
    last = None
    for fact in facts:
        parent_span_id = field(fact, _PARENT_SPAN_ID)
        if parent_span_id and parent_span_id != last and parent_span_id not in trace.by_span:
            missing.add((trace.trace_id, parent_span_id))
            last = parent_span_id
    return 0


cdef Trace _root(Trace trace):
    while trace.root is not trace:
        trace.root = trace.root.root
        trace = trace.root
    return trace


cdef int _join(Trace one, Trace other) except -1:
    one, other = _root(one), _root(other)
    if one is other:
        return 0
    other.root = one
    one.size += other.size
    one.is_judged |= other.is_judged
    one.has_unidentified |= other.has_unidentified
    one.has_scopes |= other.has_scopes
    if one.scope is None:
        one.scope = other.scope
    elif other.scope is not None and one.scope != other.scope:
        one.has_scopes = True
    return 0


cdef list _components(dict traces):
    """Join what ``components`` joins; the components that are to be judged, each as all its facts and the stored ones."""
    cdef Trace trace, root, other
    cdef dict first_with = {}
    cdef dict judged = {}
    cdef bint has_unidentified = False
    for trace in traces.values():
        trace.size = len(trace.facts)
    for trace in traces.values():
        _look_at(trace, first_with)
        has_unidentified |= trace.has_unidentified
    if has_unidentified:
        _join_overlapping(traces)
    for trace in traces.values():
        root = _root(trace)
        if root.has_unidentified and not root.is_judged:
            root.is_judged = root.has_scopes or _has_call_above_call(trace)
    for trace in traces.values():
        root = _root(trace)
        if root.is_judged:
            if root.trace_id not in judged:
                judged[root.trace_id] = ([], [])
            known, stored = judged[root.trace_id]
            known.extend(trace.facts)
            stored.extend(trace.facts[: trace.stored])
    return list(judged.values())


cdef int _share(Trace trace, object response_id, dict first_with) except -1:
    """Note a response id; who has one that another fact has, also of another trace, is judged with it."""
    cdef object other = first_with.get(response_id)
    if other is None:
        first_with[response_id] = trace
        return 0
    _join(<Trace>other, trace)
    _root(trace).is_judged = True
    return 0


cdef int _look_at(Trace trace, dict first_with) except -1:
    """Find out what there may be to judge within a trace, and in common with those that were looked at before."""
    cdef set tools = set()
    cdef Py_ssize_t tool_count = 0
    cdef bint has_tool_scopes = False, has_tool_without_id = False
    cdef object tool_scope = None
    for fact in trace.facts:
        if not trace.is_judged:
            # Walked once here, as a loop of ancestors is for the rules in Python, too.
            trace.above(fact)
        kind = field(fact, _KIND)
        if is_billable(kind):
            key = _response_key(field(fact, _RESPONSE_ID))
            if key:
                _share(trace, key, first_with)
            else:
                trace.has_unidentified = True
            scope = field(fact, _SCOPE)
            if trace.scope is None:
                trace.scope = scope
            elif trace.scope != scope:
                trace.has_scopes = True
            # Its ancestors may name the model.
            if not field(fact, _REQUEST_MODEL) and not field(fact, _RESPONSE_MODEL):
                if field(fact, _PARENT_SPAN_ID) in trace.by_span:
                    trace.is_judged = True
        elif kind == "tool":
            tool_count += 1
            scope = field(fact, _SCOPE)
            if tool_scope is None:
                tool_scope = scope
            elif tool_scope != scope:
                has_tool_scopes = True
            tool_call_id = field(fact, _TOOL_CALL_ID)
            if not tool_call_id:
                has_tool_without_id = True
            tools.add(tool_call_id or field(fact, _SPAN_ID))
        elif kind == "agent" and has_counts(fact):
            trace.is_judged = True
            key = _response_key(field(fact, _RESPONSE_ID))
            if key:
                _share(trace, key, first_with)
    if len(tools) < tool_count or (has_tool_scopes and has_tool_without_id):
        trace.is_judged = True
    # It may have been joined to another one meanwhile.
    if trace.is_judged:
        _root(trace).is_judged = True
    return 0


cdef int _join_overlapping(dict traces) except -1:
    """Join the traces of calls that could be copies though they have no id; see ``components``."""
    cdef Trace trace
    cdef dict by_match = {}
    cdef list matching
    for trace in traces.values():
        for fact in trace.facts:
            if is_billable(field(fact, _KIND)):
                key = _match_key(fact)
                found = by_match.get(key)
                if found is None:
                    by_match[key] = [fact]
                else:
                    (<list>found).append(fact)
    for matching in by_match.values():
        if len(matching) > 1:
            trace_id = field(matching[0], _TRACE_ID)
            for fact in matching:
                if field(fact, _TRACE_ID) != trace_id:
                    for one, other in overlapping(matching):
                        _join(traces[one], traces[other])
                    break
    return 0


cdef bint _has_call_above_call(Trace trace) except -1:
    for fact in trace.facts:
        if is_billable(field(fact, _KIND)) and trace.above(fact)[5]:
            return True
    return trace.is_judged


cdef list _plain_rows(dict traces):
    """The rows of plain components that are new, or for somebody else than before."""
    cdef Trace trace
    cdef list rows = []
    cdef tuple said, before
    cdef Py_ssize_t number
    for trace in traces.values():
        root = _root(trace)
        if (<Trace>root).is_judged:
            continue
        version = (<Trace>root).size
        for number in range(len(trace.facts)):
            fact = trace.facts[number]
            kind = field(fact, _KIND)
            if kind == "agent" or kind == "context":
                continue
            said = said_of(fact, trace.above(fact), False)
            if number < trace.stored:
                before = trace.said_before[number]
                if before is said or before[:5] == said[:5]:
                    continue
            rows.append(row_of(fact, said, version))
    return rows
