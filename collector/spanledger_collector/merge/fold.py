"""The ledger as a pure function of facts: ``fold(facts) -> rows``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from spanledger_collector.merge.components import components
from spanledger_collector.merge.copies import Group, group_calls, group_hosted, group_tools
from spanledger_collector.merge.keys import has_counts, is_hosted, own_call_id, variant
from spanledger_collector.merge.trace import Traces
from spanledger_collector.model import CALL_FIELDS, COUNT_FIELDS, SIZE_FIELDS, Call, Fact
from spanledger_collector.normalise.dialect import INFERRED_TRUST

NS_PER_HOUR = 3_600_000_000_000
_identity_of = attrgetter("task", "agent", "team", "user", "session")
_NOBODY = ("",) * 5
_taken_over = attrgetter(*CALL_FIELDS[CALL_FIELDS.index("trace_id") : CALL_FIELDS.index("cost_usd")])
_NO_PRICE = (None, "", "")
_FIRST_TEXTS = (
    *("provider", "operation", "request_model", "response_id", "service_tier"),
    *("tool_name", "tool_call_id", "tool_arguments_hash"),
)
"""Fields of which the most trusted copy that says anything is taken at its word."""

RowKey = tuple[int, str]
"""The hour of the start (hours since the epoch) and the call id: the sorting key of ``calls``."""


class LedgerRow(NamedTuple):
    """A row of ``calls`` as it is to stand: a call, or ``None`` for an identity that no call has (any more).

    ``version`` is the number of facts the row was made from; facts only grow, so a later state never has a smaller one.
    ``copies`` are the facts that are this call, in no order; they are not stored with it.
    """

    key: RowKey
    call: Call | None
    version: int
    copies: Sequence[Fact] = ()


def fold(facts: Collection[Fact]) -> dict[RowKey, LedgerRow]:
    """All rows that follow from ``facts``, unpriced; the result does not depend on their order or repetition."""
    rows: dict[RowKey, LedgerRow] = {}
    for component in components(set(facts)):
        version = len(component)
        calls = _calls(_one_per_span(component))
        for call, copies in calls:
            key = (call.started_at_ns // NS_PER_HOUR, call.call_id)
            rows[key] = LedgerRow(key, call, version, copies)
        identified = [fact for fact in component if fact.kind not in ("agent", "context") or is_hosted(fact)]
        # As many as there are calls: each is one by itself, under its own identity.
        if len(identified) > len(calls):
            for fact in identified:
                key = (fact.started_at_ns // NS_PER_HOUR, own_call_id(fact))
                rows.setdefault(key, LedgerRow(key, None, version))
    return rows


def _one_per_span(facts: Iterable[Fact]) -> list[Fact]:
    """Of several things said of one span the fullest holds (an SDK's pending and final span, a retry that differs)."""
    fullest: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        other = fullest.setdefault((fact.trace_id, fact.span_id), fact)
        if other is not fact:
            fullest[fact.trace_id, fact.span_id] = max(other, fact, key=_fullness)
    return list(fullest.values())


def _fullness(fact: Fact) -> tuple[bool, int, int, int]:
    known = sum(getattr(fact, name) is not None for name in (*COUNT_FIELDS, *SIZE_FIELDS))
    return (fact.kind != "context", known, fact.ended_at_ns, variant(fact))


def _calls(facts: list[Fact]) -> list[tuple[Call, Group]]:
    traces = Traces(facts)
    groups = (*group_calls(facts, traces), *group_hosted(facts, traces), *group_tools(facts, traces))
    return [(_call(group, traces), group) for group in groups]


def _call(group: Group, traces: Traces) -> Call:
    """One row of the copies, of which most calls have one."""
    best_first = group
    identified = fact = group[0]
    if len(group) > 1:
        best_first = sorted(group, key=lambda f: (-f.trust, f.usage_estimated, f.trace_id, f.span_id))
        fact = _merged(best_first)
        identified = next((f for f in best_first if f.kind != "tool" and f.response_id), fact)
    naming = _naming(best_first, traces)
    if naming:
        fact = fact._replace(
            provider=fact.provider or naming.provider, request_model=fact.request_model or naming.request_model
        )
    return Call._make(
        (
            own_call_id(identified),
            "llm" if fact.kind == "agent" else fact.kind,
            (fact.ended_at_ns - fact.started_at_ns) / 1e6,
            *_totals(fact),
            *_identity(group, traces),
            *_taken_over(fact),
            *_NO_PRICE,
        )
    )


def _merged(best_first: list[Fact]) -> Fact:
    """The copies as one: place and time of the outermost, each other field from the copy that knows it best."""
    seen = [fact for fact in best_first if fact.trust > INFERRED_TRUST] or best_first
    outermost = min(seen, key=lambda f: (f.started_at_ns, -f.ended_at_ns, f.trace_id, f.span_id))
    # A framework may fail after the call itself had succeeded: the copy closest to the wire knows. A tool failed when
    # any copy says so, as the others only saw that it ended.
    failed = [fact for fact in best_first if fact.kind == "tool" and fact.status == "error"]
    tells_outcome = (failed or best_first)[0]
    return outermost._replace(
        ttft_ms=_first(best_first, "ttft_ms"),
        status=tells_outcome.status,
        error_type=tells_outcome.error_type,
        dialect=best_first[0].dialect,
        # A dated snapshot says more than the alias a framework repeats from the request.
        response_model=max((fact.response_model for fact in best_first), key=len),
        stream=any(fact.stream for fact in best_first),
        usage_estimated=all(fact.usage_estimated for fact in best_first if _has_usage(fact)),
        reported_cost_usd=_first(best_first, "reported_cost_usd"),
        estimated_input_tokens=_first(best_first, "estimated_input_tokens"),
        estimated_output_tokens=_first(best_first, "estimated_output_tokens"),
        **_first_texts(best_first),
        **_counts(best_first),
        **_sizes(best_first),
    )


def _totals(fact: Fact) -> tuple[int | None, int | None, str]:
    """Input, output, and how we know them: what was reported, else what was estimated from the text.

    A call that shows no sign of an answer is not estimated: it may have failed, and nobody bills for that.
    """
    if has_counts(fact):
        return fact.input_tokens, fact.output_tokens, "estimated" if fact.usage_estimated else "reported"
    estimates = (fact.estimated_input_tokens, fact.estimated_output_tokens)
    answered = estimates[1] or (fact.status == "ok" and (fact.kind == "embedding" or fact.response_id))
    if _has_usage(fact) or not answered or estimates == (None, None):
        return None, None, "missing"
    return (*estimates, "estimated")


def _has_usage(fact: Fact) -> bool:
    return any(getattr(fact, name) is not None for name in COUNT_FIELDS)


def _counts(best_first: list[Fact]) -> dict[str, Any]:
    """Field by field, the most trusted copy that reported it.

    A zero gives way to a count another copy has: instrumentors that do not know a kind of token write zero for it.
    """
    exact = [fact for fact in best_first if not fact.usage_estimated] or best_first
    counts: dict[str, int | None] = {}
    for name in COUNT_FIELDS:
        known = [value for fact in exact if (value := getattr(fact, name)) is not None]
        counts[name] = next((value for value in known if value), known[0] if known else None)
    return counts


def _sizes(best_first: list[Fact]) -> dict[str, Any]:
    """All from one copy, the fullest: parts are compared with the whole that the same copy measured."""
    fullest = max(best_first, key=lambda fact: sum(getattr(fact, name) is not None for name in SIZE_FIELDS))
    return {name: getattr(fullest, name) for name in (*SIZE_FIELDS, "tool_definitions_hash")}


def _identity(group: Group, traces: Traces) -> tuple[str, ...]:
    """Whom the call is for: its own word, else its nearest ancestor's; the outermost copy is asked first."""
    if len(group) > 1:
        group = sorted(group, key=lambda f: (f.started_at_ns - f.ended_at_ns, f.trace_id, f.span_id))
    found: tuple[str, ...] = _NOBODY
    for fact in group:
        for source in (fact, *traces.ancestors(fact)):
            said = _identity_of(source)
            if said != _NOBODY:
                found = tuple(known or new for known, new in zip(found, said, strict=True))
    return found


def _naming(copies: list[Fact], traces: Traces) -> Fact | None:
    """Where no copy names a model, the nearest ancestor that does: some emitters leave it to the turn."""
    if copies[0].kind == "tool" or any(fact.request_model or fact.response_model for fact in copies):
        return None
    return next((above for fact in copies for above in traces.ancestors(fact) if above.request_model), None)


def _first_texts(facts: list[Fact]) -> dict[str, Any]:
    return {name: next((text for fact in facts if (text := getattr(fact, name))), "") for name in _FIRST_TEXTS}


def _first(facts: list[Fact], name: str) -> Any:
    return next((value for fact in facts if (value := getattr(fact, name)) is not None), None)
