"""What the stages between the facts and the store cost per span, by both twins of each: CPU µs of one core.

``python benchmarks/settle.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not. The keys of
facts are chosen once for a process, and are compiled in both. Blocks are those of the calls and of the facts, with all
keys that are stored beside them; nothing is written anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from merge import EmptyStore, cpu_us_per_span
from traces import requests

from spanledger_collector import compiled
from spanledger_collector.decode import Decoder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.garbage import expect_batches
from spanledger_collector.merge import LedgerRow, Settler, with_calls
from spanledger_collector.model import Fact
from spanledger_collector.normalise import name_tells, normalise, scope_tells
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced_all


class DiscardingStore:
    """Takes what the ledger inserts, and holds nothing."""

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """Nothing."""
        return b""

    def command(self, sql: str, parameters: dict[str, object] | None = None) -> None:
        """Nothing happens."""

    def insert_native(self, table: str, blocks: bytes, columns: Sequence[str] = ()) -> None:
        """Dropped."""


def facts_of(kind: str, spans: int) -> list[Fact]:
    """The facts in spans of one kind."""
    sent = [request.SerializeToString() for request in requests(kind, spans)]
    telling = Decoder(scope_tells, name_tells).decode(sent).telling
    return [fact for span in telling if (fact := normalise(span))]


def costs_us(facts: list[Fact], catalogue: Catalogue, spans: int) -> tuple[float, float, float]:
    """What settling, pricing and the blocks of calls and facts cost, with the twins that are in use."""
    store: Any = DiscardingStore()
    ledger = Ledger(store, SeenKeys(store))
    settlement = Settler(EmptyStore()).settle(facts, {})

    def price() -> list[LedgerRow]:
        calls = priced_all((row.call for row in settlement.rows), catalogue)
        return with_calls(settlement.rows, calls)

    rows = price()

    def write() -> None:
        ledger.write_rows(rows)
        ledger.expect(settlement.facts, {})
        ledger.write_facts(settlement.facts)

    return (
        cpu_us_per_span(lambda: Settler(EmptyStore()).settle(facts, {}), spans),
        cpu_us_per_span(price, spans),
        cpu_us_per_span(write, spans),
    )


def main() -> None:
    """Print the table."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    catalogue = Catalogue.load()
    facts = facts_of("genai", spans)
    expect_batches()
    print(
        f"CPU µs a span, {spans} GenAI spans a batch\n{'':10}{'settle':>10}{'price':>10}{'blocks':>10}{'together':>10}"
    )
    for name, is_pure in (("pure", True), ("compiled", False)):
        compiled.PURE = is_pure
        costs = costs_us(facts, catalogue, spans)
        print(f"{name:10}" + "".join(f"{cost:>10.2f}" for cost in (*costs, sum(costs))))


if __name__ == "__main__":
    main()
