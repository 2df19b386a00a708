"""The ledger as a pure function of facts: ``fold(facts) -> rows``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spanledger_collector.merge.components import components
from spanledger_collector.merge.copies import Group, group_calls, group_hosted, group_tools
from spanledger_collector.merge.keys import is_hosted, own_call_id, variant
from spanledger_collector.merge.trace import Traces
from spanledger_collector.model import Call, Fact

_NS_PER_DAY = 86_400_000_000_000
_IDENTITY = ("task", "agent", "team", "user", "session")
_COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)

RowKey = tuple[int, str]
"""The day of the start (days since the epoch) and the call id: the sorting key of ``calls``."""


@dataclass(slots=True, frozen=True)
class LedgerRow:
    """A row of ``calls`` as it is to stand: a call, or ``None`` for an identity that no call has (any more).

    ``version`` is the number of facts the row was made from; facts only grow, so a later state never has a smaller one.
    """

    key: RowKey
    call: Call | None
    version: int


def fold(facts: Collection[Fact]) -> dict[RowKey, LedgerRow]:
    """All rows that follow from ``facts``, unpriced; the result does not depend on their order or repetition."""
    rows: dict[RowKey, LedgerRow] = {}
    for component in components(set(facts)):
        version = len(component)
        for call in _calls(_one_per_span(component)):
            key = (call.started_at_ns // _NS_PER_DAY, call.call_id)
            rows[key] = LedgerRow(key, call, version)
        for fact in component:
            if fact.kind not in ("agent", "context") or is_hosted(fact):
                key = (fact.started_at_ns // _NS_PER_DAY, own_call_id(fact))
                rows.setdefault(key, LedgerRow(key, None, version))
    return rows


def _one_per_span(facts: Iterable[Fact]) -> list[Fact]:
    """Of several things said of one span the fullest holds (an SDK's pending and final span, a retry that differs)."""
    said: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        said[fact.trace_id, fact.span_id].append(fact)
    return [max(variants, key=_fullness) if len(variants) > 1 else variants[0] for variants in said.values()]


def _fullness(fact: Fact) -> tuple[bool, int, int, int]:
    known = sum(getattr(fact, name) is not None for name in _COUNTS)
    return (fact.kind != "context", known, fact.ended_at_ns, variant(fact))


def _calls(facts: list[Fact]) -> Iterable[Call]:
    traces = Traces(facts)
    for group in (*group_calls(facts, traces), *group_hosted(facts, traces)):
        yield _call(group, traces)
    for group in group_tools(facts, traces):
        yield _call(group, traces)


def _call(group: Group, traces: Traces) -> Call:
    """One row of the copies: place and time of the outermost, each other field from the copy that knows it best."""
    outermost = min(group, key=lambda f: (f.started_at_ns, -f.ended_at_ns, f.trace_id, f.span_id))
    best_first = sorted(group, key=lambda f: (-f.trust, f.usage_estimated, f.trace_id, f.span_id))
    counts = _counts(best_first)
    reported = counts["input_tokens"] is not None or counts["output_tokens"] is not None
    estimated = reported and all(fact.usage_estimated for fact in group if _has_usage(fact))
    with_id = next((fact for fact in best_first if fact.kind != "tool" and fact.response_id), outermost)
    # A framework may fail after the call itself had succeeded: the copy closest to the wire knows. A tool failed when
    # any copy says so, as the others only saw that it ended.
    failed = [fact for fact in best_first if fact.kind == "tool" and fact.status == "error"]
    tells_outcome = (failed or best_first)[0]
    named = _named(best_first, traces)
    return Call(
        call_id=own_call_id(with_id),
        kind="llm" if outermost.kind == "agent" else outermost.kind,
        trace_id=outermost.trace_id,
        span_id=outermost.span_id,
        started_at_ns=outermost.started_at_ns,
        duration_ms=(outermost.ended_at_ns - outermost.started_at_ns) / 1e6,
        ttft_ms=_first(best_first, lambda f: f.ttft_ms),
        status=tells_outcome.status,
        error_type=tells_outcome.error_type,
        service=outermost.service,
        dialect=best_first[0].dialect,
        provider=_first_text(named, "provider"),
        operation=_first_text(best_first, "operation"),
        request_model=_first_text(named, "request_model"),
        response_model=_most_specific(best_first, "response_model"),
        response_id=_first_text(best_first, "response_id"),
        stream=any(fact.stream for fact in group),
        usage_status=("estimated" if estimated else "reported") if reported else "missing",
        cost_usd=None,
        reported_cost_usd=_first(best_first, lambda f: f.reported_cost_usd),
        price_status="",
        price_card_id="",
        service_tier=_first_text(best_first, "service_tier"),
        tool_name=_first_text(best_first, "tool_name"),
        tool_call_id=_first_text(best_first, "tool_call_id"),
        tool_arguments_hash=_first_text(best_first, "tool_arguments_hash"),
        **counts,
        **_identity(group, traces),
    )


def _has_usage(fact: Fact) -> bool:
    return any(getattr(fact, name) is not None for name in _COUNTS)


def _counts(best_first: list[Fact]) -> dict[str, Any]:
    """Field by field, the most trusted copy that reported it.

    A zero gives way to a count another copy has: instrumentors that do not know a kind of token write zero for it.
    """
    exact = [fact for fact in best_first if not fact.usage_estimated] or best_first
    counts: dict[str, int | None] = {}
    for name in _COUNTS:
        known = [value for fact in exact if (value := getattr(fact, name)) is not None]
        counts[name] = next((value for value in known if value), known[0] if known else None)
    return counts


def _identity(group: Group, traces: Traces) -> dict[str, Any]:
    """Whom the call is for: its own word, else its nearest ancestor's; the outermost copy is asked first."""
    found = dict.fromkeys(_IDENTITY, "")
    for fact in sorted(group, key=lambda f: (f.started_at_ns - f.ended_at_ns, f.trace_id, f.span_id)):
        for source in (fact, *traces.ancestors(fact)):
            for name in _IDENTITY:
                found[name] = found[name] or getattr(source, name)
    return found


def _named(copies: list[Fact], traces: Traces) -> list[Fact]:
    """The copies, and where none names a model, the nearest ancestor that does: some emitters leave it to the turn."""
    if copies[0].kind == "tool" or any(fact.request_model or fact.response_model for fact in copies):
        return copies
    above = (ancestor for fact in copies for ancestor in traces.ancestors(fact) if ancestor.request_model)
    return [*copies, *islice(above, 1)]


def _first(facts: list[Fact], value_of: Callable[[Fact], Any]) -> Any:
    return next((value for fact in facts if (value := value_of(fact)) is not None), None)


def _first_text(facts: list[Fact], name: str) -> str:
    return next((value for fact in facts if (value := getattr(fact, name))), "")


def _most_specific(facts: list[Fact], name: str) -> str:
    """The longest of the names: a dated snapshot says more than the alias a framework repeats from the request."""
    return max((str(getattr(fact, name)) for fact in facts), key=len)
