"""Every question of the library on ten million calls, as a table of median milliseconds, and bytes a call on disk.

    python benchmarks/query.py [CALLS]

The calls are generated in SQL in an embedded store: 90 days, 200 agents, 8 teams, tasks of 60 calls, a third of them
tools. Each question is asked of the whole ledger, of its last 30 days and of one task or day, five times each after
once for warming up.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.price import Catalogue
from spanledger_collector.price.tables import record
from spanledger_collector.query.library import Query, load
from spanledger_collector.query.run import bind

CALLS = 10_000_000
DAYS = 90
START = "2026-06-01 00:00:00"
ROUNDS = 5
CALLS_PER_TASK = 60
CALLS_PER_INSERT = 1_000_000
MODELS = ("gpt-4o", "gpt-4o-mini", "o3", "gpt-4.1")
SPANS = {
    "all": {},
    "30 days": {"since": "2026-07-31"},
    "one day": {"since": "2026-08-29", "until": "2026-08-30"},
}
PICKED = {
    "task_timeline": {"task": "task-1000"},
    "explain_task": {"explained": "task-1000"},
    "trace": {"trace_id": "trace-1000"},
    "call_usage": {"call_id": "call-1000"},
    "calls": {"limit": "1000"},
    "cost_per_task": {"limit": "1000"},
}
"""What the page and the commands say where a question is of one thing, or where nobody reads all rows."""


def fill(store: Store, calls: int) -> None:
    """Write ``calls`` calls, as they would stand after the store has merged its parts."""
    catalogue = Catalogue.load()
    record(store, catalogue)
    cards = [catalogue.holding("openai", model, "", 1_780_272_000 * 10**9) for model in MODELS]
    ids = ", ".join(f"'{card.card_id}'" for card in cards if card)
    names = ", ".join(f"'{model}'" for model in MODELS)
    for first in range(0, calls, CALLS_PER_INSERT):
        count = min(CALLS_PER_INSERT, calls - first)
        store.command(
            f"""
            INSERT INTO calls (call_id, kind, trace_id, span_id, started_at, duration_ms, ttft_ms, status, error_type,
                service, dialect, provider, operation, request_model, response_model, response_id, stream, input_tokens,
                cache_read_tokens, output_tokens, usage_status, cost_usd, price_status, price_card_id, tool_name,
                tool_arguments_hash, task, agent, team, user, session, version, is_deleted)
            WITH
                number + {first} AS n,
                n % 3 = 2 AS is_tool,
                intDiv(n, {CALLS_PER_TASK}) AS task_n,
                sipHash64(n) AS random,
                random % 97 = 0 AS is_error,
                task_n % 200 AS agent_n,
                (agent_n + intDiv(task_n, 200) % 2) % {len(MODELS)} AS model_n,
                1000 + (n % {CALLS_PER_TASK}) * 300 + random % 500 AS input,
                if(random % 4 = 0, 0, input - 900) AS cached,
                random % 700 AS output
            SELECT
                concat('call-', toString(n)), if(is_tool, 'tool', 'llm'), concat('trace-', toString(task_n)),
                lower(hex(random)),
                toDateTime64('{START}', 9, 'UTC')
                    + intDiv(task_n, 200) * 200 * {CALLS_PER_TASK} * {DAYS} * 86400 / {calls}
                    + (n % {CALLS_PER_TASK}) * 2,
                10 + random % 3000, if(is_tool, NULL, 5 + random % 300), if(is_error, 'error', 'ok'),
                if(is_error, 'timeout', ''), 'app', 'spanledger', if(is_tool, '', 'openai'),
                if(is_tool, 'execute_tool', 'chat'), if(is_tool, '', [{names}][model_n + 1]),
                if(is_tool, '', [{names}][model_n + 1]), if(is_tool, '', concat('chatcmpl-', hex(sipHash128(n)))), 1,
                if(is_tool, NULL, input), if(is_tool, NULL, cached), if(is_tool, NULL, output),
                if(is_tool, 'missing', 'reported'),
                multiIf(is_tool, 0, random % 50 = 0, NULL, toDecimal64((input - cached + output * 4) * 0.0000025, 12)),
                multiIf(is_tool, 'not_billed', random % 50 = 0, 'unknown_model', 'priced'),
                if(is_tool, '', [{ids}][model_n + 1]), if(is_tool, concat('tool-', toString(random % 12)), ''),
                if(is_tool, lower(hex(sipHash64(task_n, random % 40))), ''),
                concat('task-', toString(task_n)), concat('agent-', toString(agent_n)),
                concat('team-', toString(agent_n % 8)), concat('user-', toString(task_n % 5000)),
                concat('session-', toString(intDiv(task_n, 4))), 1048576, 0
            FROM numbers({count})
            """
        )
    store.command("OPTIMIZE TABLE calls FINAL")


def median_ms(store: Store, query: Query, texts: dict[str, str]) -> float:
    """Median milliseconds of an answer, the reading of its rows included."""
    values = bind(query, texts)
    store.query(query.sql, values)
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        store.query(query.sql, values)
        rounds.append((time.perf_counter() - started) * 1000)
    return statistics.median(rounds)


def main(calls: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        store = open_embedded(Path(directory, "store"))
        try:
            migrate(store)
            started = time.perf_counter()
            fill(store, calls)
            print(f"{calls:,} calls written in {time.perf_counter() - started:.0f} s")
            disk = "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND table = 'calls'"
            size_bytes, rows = store.query(disk).rows[0]
            print(f"{size_bytes / rows:.1f} bytes a call on disk\n")
            print(f"{'median ms':24}" + "".join(f"{name:>10}" for name in SPANS))
            for query in load().values():
                takes = {parameter.name for parameter in query.parameters}
                line = f"{query.name:24}"
                for texts in SPANS.values() if "since" in takes else [{}]:
                    line += f"{median_ms(store, query, {**texts, **PICKED.get(query.name, {})}):10.0f}"
                print(line, flush=True)
        finally:
            store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
