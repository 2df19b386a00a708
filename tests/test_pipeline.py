"""The order in which the store is given the rows of a batch."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.merge import LedgerRow
from spanledger_collector.model import Fact
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue

BODIES = [
    path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / "genai_openai").glob("traces-*.bin"))
]


class SlowSpans(MemoryLedger):
    """Has the spans only once the rows are there, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.refuses_spans = False
        self._rows_are_there = threading.Event()

    def write_spans(self, blocks: bytes) -> None:
        """See ``MemoryLedger``."""
        assert self._rows_are_there.wait(10)
        if self.refuses_spans:
            raise StoreUnavailableError("the store did not answer")
        super().write_spans(blocks)
        self.order.append("spans")

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """See ``MemoryLedger``."""
        super().write_rows(rows)
        self.order.append("rows")
        self._rows_are_there.set()

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``MemoryLedger``."""
        super().write_facts(facts)
        self.order.append("facts")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The prices that ship."""
    return Catalogue.load()


def test_rows_do_not_wait_for_spans_and_facts_do(catalogue: Catalogue) -> None:
    """Spans are most of what is inserted, and go in beside the rows; a fact says that all before it is stored."""
    ledger = SlowSpans()
    Pipeline(ledger, catalogue).process(BODIES)
    assert ledger.order == ["rows", "spans", "facts"]


def test_a_batch_whose_spans_are_refused_leaves_no_facts(catalogue: Catalogue) -> None:
    """So that the same requests are new once more, and end in the ledger of a clean run."""
    clean, ledger = MemoryLedger(), SlowSpans()
    Pipeline(clean, catalogue).process(BODIES)
    pipeline = Pipeline(ledger, catalogue)
    ledger.refuses_spans = True
    with pytest.raises(StoreUnavailableError):
        pipeline.process(BODIES)
    assert ledger.facts == set()
    ledger.refuses_spans = False
    pipeline.process(BODIES)
    assert (ledger.calls(), ledger.spans, ledger.facts) == (clean.calls(), clean.spans, clean.facts)
    assert ledger.calls()
