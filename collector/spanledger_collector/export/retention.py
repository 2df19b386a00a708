"""How long each table keeps its rows, as the settings say; a table is altered only where it says otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from spanledger_collector.export.store import Store

TIME_COLUMNS = {
    "otel_traces": "IngestedAt",
    "otel_traces_trace_id_ts": "IngestedAt",
    "facts": "recorded_at",
    "calls": "toDateTime(started_at)",
    "call_rollup": "day",
    "run_rollup": "day",
    "waste_rollup": "day",
}
"""From when the days are counted: from the arrival for what can be imported late, from its start for a call."""

_TTL = re.compile(r" TTL (.+?)(?= SETTINGS |$)")
_log = logging.getLogger(__name__)


def apply_retention(store: Store, days: Mapping[str, int], suffix: str = "", on_cluster: str = "") -> list[str]:
    """Keep the rows of each table in ``days`` for that many days, 0 for good; returns the tables that were altered.

    ``suffix`` and ``on_cluster`` name the tables that hold the rows of a cluster.
    """
    tables = {f"{table}{suffix}": table for table in days}
    found = store.query(
        "SELECT name, engine_full FROM system.tables "
        "WHERE database = currentDatabase() AND name IN {names:Array(String)}",
        {"names": sorted(tables)},
    )
    altered = []
    for name, engine in found.rows:
        wanted = _ttl(tables[name], days[tables[name]])
        stated = _TTL.search(engine)
        if (stated.group(1) if stated else "") == wanted:
            continue
        store.command(f"ALTER TABLE {name}{on_cluster} " + (f"MODIFY TTL {wanted}" if wanted else "REMOVE TTL"))
        _log.info("table %s keeps its rows %s", name, f"for {days[tables[name]]} days" if wanted else "for good")
        altered.append(name)
    return sorted(altered)


def _ttl(table: str, days: int) -> str:
    return f"{TIME_COLUMNS[table]} + toIntervalDay({days})" if days else ""
