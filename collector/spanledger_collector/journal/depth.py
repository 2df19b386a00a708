"""What waits in the journal, for Prometheus and for `spanledger status`."""

from __future__ import annotations

import time
from typing import Any

from spanledger_collector import metrics
from spanledger_collector.journal.entry import Depth
from spanledger_collector.journal.file import Journal


def show_depth(journal: Journal) -> None:
    """Let the gauges read ``journal`` whenever they are asked for."""
    metrics.JOURNAL_REQUESTS.set_function(lambda: journal.depth.entries)
    metrics.JOURNAL_SPANS.set_function(lambda: journal.depth.spans)
    metrics.JOURNAL_BYTES.set_function(lambda: journal.depth.size_bytes)
    metrics.JOURNAL_LAG_SECONDS.set_function(lambda: journal.lag_s)


def told(depth: Depth) -> dict[str, Any]:
    """``{"requests", "spans", "bytes", "lag_s"}`` of what waits; the last is the age of the oldest, in seconds."""
    return {
        "requests": depth.entries,
        "spans": depth.spans,
        "bytes": depth.size_bytes,
        "lag_s": depth.lag_s(time.time()),
    }
