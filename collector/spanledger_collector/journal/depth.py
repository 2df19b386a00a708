"""What waits in the journal, for Prometheus."""

from __future__ import annotations

from spanledger_collector import metrics
from spanledger_collector.journal.file import Journal


def show_depth(journal: Journal) -> None:
    """Let the gauges read ``journal`` whenever they are asked for."""
    metrics.JOURNAL_REQUESTS.set_function(lambda: journal.depth.entries)
    metrics.JOURNAL_SPANS.set_function(lambda: journal.depth.spans)
    metrics.JOURNAL_BYTES.set_function(lambda: journal.depth.size_bytes)
    metrics.JOURNAL_LAG_SECONDS.set_function(lambda: lag_s(journal))


def lag_s(journal: Journal) -> float:
    """The age of the oldest request that waits, in seconds; 0 where none does."""
    return journal.lag_s
