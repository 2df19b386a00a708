"""What the stages before the store cost per span, GenAI and plain spans apart: CPU µs of one core.

``python benchmarks/merge.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not. From settling
on, each stage is measured with its pure twin and with its compiled one, beside each other; the keys of facts, which are
chosen once for a process, are compiled in both. Blocks are those of the calls and of the facts, with all keys that are
stored beside them; nothing is written anywhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from traces import KINDS, requests

from spanledger_collector import compiled
from spanledger_collector.decode import Decoder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.garbage import spare_collections
from spanledger_collector.merge import LedgerRow, Settler, with_calls
from spanledger_collector.model import Fact
from spanledger_collector.normalise import name_tells, normalise, scope_tells
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced_all

ROUNDS = 3


class EmptyStore:
    """A store that holds nothing: what is left is the merge's own work."""

    def facts_of_traces(self, trace_ids: Collection[str]) -> list[Fact]:
        """Nothing."""
        return []

    facts_of_responses = facts_matching = spans_as_context = facts_of_traces  # the same answer to all

    def absent_parents(self, limit: int) -> list[tuple[str, str]]:
        """None."""
        return []


def cpu_us_per_span(run: Callable[[], object], spans: int) -> float:
    """CPU time of this process in µs a span, of the best of some rounds."""
    costs_s = []
    for _ in range(ROUNDS):
        before_s = time.process_time()
        run()
        costs_s.append(time.process_time() - before_s)
    return min(costs_s) * 1e6 / spans


class DiscardingStore:
    """Takes what the ledger inserts, and holds nothing."""

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """Nothing."""
        return b""

    def command(self, sql: str, parameters: dict[str, object] | None = None) -> None:
        """Nothing happens."""

    def insert_native(self, table: str, blocks: bytes, columns: Sequence[str] = ()) -> None:
        """Dropped."""


def front_us(kind: str, spans: int) -> tuple[list[Fact], float, float]:
    """The facts in spans of one kind, in one batch; and what decoding and normalising cost."""
    sent = requests(kind, spans)
    decoder = Decoder(scope_tells, name_tells)
    telling = decoder.decode(sent).telling
    return (
        [fact for span in telling if (fact := normalise(span))],
        cpu_us_per_span(lambda: decoder.decode(sent), spans),
        cpu_us_per_span(lambda: [normalise(span) for span in telling], spans),
    )


def back_us(facts: list[Fact], catalogue: Catalogue, spans: int) -> tuple[float, float, float]:
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
    spare_collections()
    built = not compiled.PURE
    print(f"CPU µs a span, {spans} spans a batch; from settling on: pure / compiled")
    print(f"{'':8}{'decode':>10}{'normalise':>12}{'settle':>18}{'price':>18}{'blocks':>18}")
    for kind in KINDS:
        facts, decoding_us, normalising_us = front_us(kind, spans)
        compiled.PURE = True
        pure_us = back_us(facts, catalogue, spans)
        compiled.PURE = not built
        pairs = zip(pure_us, back_us(facts, catalogue, spans), strict=True)
        print(
            f"{kind:8}{decoding_us:>10.2f}{normalising_us:>12.2f}",
            *(f"{f'{pure:.2f} / {other:.2f}':>17}" for pure, other in pairs),
        )


if __name__ == "__main__":
    main()
