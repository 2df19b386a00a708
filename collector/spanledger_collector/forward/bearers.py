"""Which span of a call is told its cost, so that a sum over what was forwarded counts each call once.

A call may have several spans, and they may come in several batches. Its cost goes to one of the first batch that it is
known with; all other spans of the call are told which one it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from spanledger_collector.merge import LedgerRow, Settlement
from spanledger_collector.merge.settle import SpanPlace
from spanledger_collector.model import Call, Fact

Price = Callable[[Call], Call]
"""Puts the price on a call."""


@dataclass(slots=True, frozen=True)
class Share:
    """What a span is told of the call it belongs to, which has its price."""

    call: Call
    duplicate_of: str = ""
    """The span that stands for the call; '' for that one itself."""


def shares(
    facts: Iterable[Fact], settlement: Settlement, price: Price, is_span: Callable[[Fact], bool]
) -> dict[SpanPlace, Share]:
    """The share of each span among ``facts``, those of a batch, that is a copy of a call.

    ``is_span`` tells facts of spans from those of log records, which bear nothing.
    """
    here = {_place(fact): fact for fact in facts if is_span(fact)}
    earlier = {_place(fact): row for row in settlement.before.values() if row.call for fact in row.copies}
    found: dict[SpanPlace, Share] = {}
    for row in settlement.after.values():
        mine = [place for fact in row.copies if (place := _place(fact)) in here]
        if row.call is None or not mine:
            continue
        call = price(row.call)
        former = _former(row, earlier, is_span)
        if former and (call.cost_usd is None or any(_cost_known(before, price) for before in former)):
            standing = None
            named = min(_named(before, is_span) for before in former)
        else:
            own = (call.trace_id, call.span_id)
            standing = own if own in here else min(mine)
            named = standing[1]
        for place in mine:
            found[place] = Share(call, "" if place == standing else named)
    return found


def _former(row: LedgerRow, earlier: Mapping[SpanPlace, LedgerRow], is_span: Callable[[Fact], bool]) -> list[LedgerRow]:
    """The rows that copies of this call made in earlier batches, as far as a span was among them."""
    rows = {before.key: before for fact in row.copies if (before := earlier.get(_place(fact)))}
    return [before for before in rows.values() if any(map(is_span, before.copies))]


def _cost_known(row: LedgerRow, price: Price) -> bool:
    return row.call is not None and price(row.call).cost_usd is not None


def _named(row: LedgerRow, is_span: Callable[[Fact], bool]) -> str:
    """The span that the row names, or where that is a log record, a span of it."""
    spans = {fact.span_id for fact in row.copies if is_span(fact)}
    return row.call.span_id if row.call and row.call.span_id in spans else min(spans)


def _place(fact: Fact) -> SpanPlace:
    return fact.trace_id, fact.span_id
