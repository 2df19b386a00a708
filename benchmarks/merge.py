"""What decoding, normalising and merging cost per span, by both twins of each stage: CPU µs of one core.

``python benchmarks/merge.py [SPANS]``; the ratios hold on a busy machine, the absolute figures do not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import Any

from traces import KINDS, requests

from spanledger_collector.compiled import twin
from spanledger_collector.decode import decoder as pure
from spanledger_collector.garbage import expect_batches
from spanledger_collector.merge import Settler
from spanledger_collector.model import Fact
from spanledger_collector.normalise import fact_reader, name_tells, normalise, scope_tells

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

    def expect(self, facts: Collection[Fact], contexts: object) -> None:
        """Answer as before."""

    def forget(self) -> None:
        """There is nothing to forget."""


def cpu_us_per_span(run: Callable[[], object], spans: int) -> float:
    """CPU time of this process in µs a span, of the best of some rounds."""
    costs_s = []
    for _ in range(ROUNDS):
        before_s = time.process_time()
        run()
        costs_s.append(time.process_time() - before_s)
    return min(costs_s) * 1e6 / spans


def costs_us(kind: str, spans: int, twin: Any) -> tuple[float, float, float]:
    """Of decoding, normalising and merging spans of one kind, in one batch.

    The compiled twin normalises while it decodes: what that takes is the difference to spans that tell nothing.
    """
    sent = [request.SerializeToString() for request in requests(kind, spans)]
    decoder = twin.Decoder(scope_tells, name_tells, None if twin is pure else fact_reader())
    batch = decoder.decode(sent)
    facts = [*batch.facts, *(fact for span in batch.telling if (fact := normalise(span)))]
    merge_us = cpu_us_per_span(lambda: Settler(EmptyStore()).settle(facts, {}), spans)
    if twin is pure:
        decode_us = cpu_us_per_span(lambda: decoder.decode(sent), spans)
        return decode_us, cpu_us_per_span(lambda: [normalise(span) for span in batch.telling], spans), merge_us
    assert not batch.telling
    silent = twin.Decoder(_nothing_tells, _nothing_tells)
    decode_us = cpu_us_per_span(lambda: silent.decode(sent), spans)
    return decode_us, max(0.0, cpu_us_per_span(lambda: decoder.decode(sent), spans) - decode_us), merge_us


def _nothing_tells(_: str) -> bool:
    return False


def main() -> None:
    """Print the table."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    expect_batches()
    compiled = twin("decode.compiled_decoder")
    print(f"CPU µs a span, {spans} spans a batch\n{'':18}{'decode':>10}{'normalise':>12}{'merge':>10}")
    for kind in KINDS:
        for name, module in (("pure", pure), ("compiled", compiled)):
            if module is None:
                print(f"{kind:8}{name:10}  not built here")
                continue
            print(f"{kind:8}{name:10}" + "{:>10.2f}{:>12.2f}{:>10.2f}".format(*costs_us(kind, spans, module)))


if __name__ == "__main__":
    main()
