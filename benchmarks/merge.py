"""What the stages before the store cost per span, GenAI and plain spans apart: CPU µs of one core.

``python benchmarks/merge.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not. Each
stage is measured with its pure twin and with its compiled one, beside each other; the keys of facts, which are chosen
once for a process, are compiled in both. Blocks are those of the calls and of the facts, with all keys that are
stored beside them; nothing is written anywhere.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from traces import KINDS, requests

from spanledger_collector import compiled
from spanledger_collector.decode import decoder as pure
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.garbage import spare_collections
from spanledger_collector.merge import LedgerRow, Settler, with_calls
from spanledger_collector.model import Fact
from spanledger_collector.normalise import fact_reader, name_tells, normalise, scope_tells
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


def front_us(kind: str, spans: int, module: Any) -> tuple[list[Fact], float, float]:
    """The facts in spans of one kind, in one batch; and what decoding and normalising cost by a twin of the decoder.

    The compiled one normalises while it decodes: what that takes is the difference to spans that tell nothing.
    """
    sent = [request.SerializeToString() for request in requests(kind, spans)]
    decoder = module.Decoder(scope_tells, name_tells, None if module is pure else fact_reader())
    batch = decoder.decode(sent)
    facts = [*batch.facts, *(fact for span in batch.telling if (fact := normalise(span)))]
    both_us = cpu_us_per_span(lambda: decoder.decode(sent), spans)
    if module is pure:
        return facts, both_us, cpu_us_per_span(lambda: [normalise(span) for span in batch.telling], spans)
    silent = module.Decoder(_nothing_tells, _nothing_tells)
    decode_us = cpu_us_per_span(lambda: silent.decode(sent), spans)
    return facts, decode_us, max(0.0, both_us - decode_us)


def _nothing_tells(_: str) -> bool:
    return False


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
    fast = compiled.twin("decode.compiled_decoder")
    print(f"CPU µs a span, {spans} spans a batch: pure / compiled")
    print(f"{'':8}{'decode':>18}{'normalise':>18}{'settle':>18}{'price':>18}{'blocks':>18}")
    for kind in KINDS:
        facts, *pure_us = front_us(kind, spans, pure)
        compiled_us = front_us(kind, spans, fast)[1:] if fast else (math.nan, math.nan)
        compiled.PURE, was_pure = True, compiled.PURE
        pure_us += back_us(facts, catalogue, spans)
        compiled.PURE = was_pure
        pairs = zip(pure_us, (*compiled_us, *back_us(facts, catalogue, spans)), strict=True)
        print(f"{kind:8}", *(f"{f'{slow:.2f} / {other:.2f}':>17}" for slow, other in pairs))


if __name__ == "__main__":
    main()
