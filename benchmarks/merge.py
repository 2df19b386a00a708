"""What normalising and merging cost per span, GenAI and plain spans apart, beside decoding them: CPU µs of one core.

``python benchmarks/merge.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from traces import requests

from spanledger_collector.decode import decode
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import open_embedded
from spanledger_collector.merge import Settler
from spanledger_collector.model import Fact
from spanledger_collector.normalise import normalise
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue

REQUESTS_PER_BATCH = 100


class EmptyStore:
    """A store that holds nothing: what is left is the merge's own work."""

    def facts_of_traces(self, trace_ids: Collection[str]) -> list[Fact]:
        return []

    facts_of_responses = facts_matching = spans_as_context = facts_of_traces  # the same answer to all

    def absent_parents(self, limit: int) -> list[tuple[str, str]]:
        return []


def cpu_us_per_span(run: Callable[[], object], spans: int) -> float:
    """CPU time of this process, in µs a span."""
    before = time.process_time()
    run()
    return (time.process_time() - before) * 1e6 / spans


def main() -> None:
    """Print the table."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{spans} spans of each kind, {REQUESTS_PER_BATCH * 100} a batch; CPU µs a span\n")
    print(f"{'':8}{'decode':>10}{'normalise':>11}{'merge':>8}{'all stages into chDB, µs wall':>32}{'spans/s':>10}")
    catalogue = Catalogue.load()
    for kind in ("plain", "genai"):
        sent = requests(kind, spans)
        batches = [sent[i : i + REQUESTS_PER_BATCH] for i in range(0, len(sent), REQUESTS_PER_BATCH)]
        decoded = []
        decode_us = cpu_us_per_span(lambda: decoded.extend(decode(batch) for batch in batches), spans)
        facts: list[list[Fact]] = []

        def normalise_all() -> None:
            for batch in decoded:
                facts.append([fact for span in batch.spans if (fact := normalise(span))])

        normalise_us = cpu_us_per_span(normalise_all, spans)
        settler = Settler(EmptyStore())
        merge_us = cpu_us_per_span(lambda: [settler.settle(some, {}) for some in facts], spans)
        with tempfile.TemporaryDirectory() as folder:
            store = open_embedded(Path(folder))
            migrate(store)
            pipeline = Pipeline(Ledger(store), catalogue)
            before = time.perf_counter()
            for batch in batches:
                pipeline.process(batch)
            all_us = (time.perf_counter() - before) * 1e6 / spans
            store.close()
        print(f"{kind:8}{decode_us:>10.1f}{normalise_us:>11.2f}{merge_us:>8.2f}{all_us:>32.1f}{1e6 / all_us:>10.0f}")


if __name__ == "__main__":
    main()
