"""What decoding, normalising and merging cost per span, GenAI and plain spans apart: CPU µs of one core.

``python benchmarks/merge.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection

from traces import KINDS, requests

from spanledger_collector.decode import Decoder
from spanledger_collector.merge import Settler
from spanledger_collector.model import Fact
from spanledger_collector.normalise import name_tells, normalise, scope_tells

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


def costs_us(kind: str, spans: int) -> tuple[float, float, float]:
    """Of decoding, normalising and merging spans of one kind, in one batch."""
    sent = requests(kind, spans)
    decoder = Decoder(scope_tells, name_tells)
    telling = decoder.decode(sent).telling
    facts = [fact for span in telling if (fact := normalise(span))]
    return (
        cpu_us_per_span(lambda: decoder.decode(sent), spans),
        cpu_us_per_span(lambda: [normalise(span) for span in telling], spans),
        cpu_us_per_span(lambda: Settler(EmptyStore()).settle(facts, {}), spans),
    )


def main() -> None:
    """Print the table."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"CPU µs a span, {spans} spans a batch\n{'':8}{'decode':>10}{'normalise':>12}{'merge':>10}")
    for kind in KINDS:
        print(f"{kind:8}" + "{:>10.2f}{:>12.2f}{:>10.2f}".format(*costs_us(kind, spans)))


if __name__ == "__main__":
    main()
