"""Every question of the library and every Grafana panel on ten million calls: median milliseconds, and bytes on disk.

    python benchmarks/query.py [CALLS] [DIRECTORY]

The calls are generated in SQL in an embedded store: the 90 days up to the end of this hour, 200 agents of very
different size, 8 teams, 5,000 users, tasks of 20 calls, a third of them tools. Closed days and hours are rolled up
as the collector does it, and yesterday is read from its hours, as today is late in the evening; the calls of one
full hour are left to be read one by one. Each question is asked of the last 30 days and of the whole ledger, each
panel of the last 30 days, five times after once for warming up. Beside the time stands the processor time of all
cores, which says more where others use the machine, and the time as a multiple of a fixed statement's, asked in
between. With a DIRECTORY, the ledger is kept there and used again. No facts and no spans are written: what
emitters, traces and arrivals cost is that of the ledger alone. At the end all is given up, and the questions that
read roll-ups are asked once more, of the calls themselves.
"""

from __future__ import annotations

import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.roll_up import RollUps
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.grafana.dashboards import dashboards
from spanledger_collector.price import Catalogue
from spanledger_collector.price.tables import record
from spanledger_collector.query.library import load
from spanledger_collector.query.run import bind

CALLS = 10_000_000
DAYS = 90
ROUNDS = 5
CALLS_PER_TASK = 20
CALLS_PER_INSERT = 1_000_000
MODELS = ("gpt-4o", "gpt-4o-mini", "o3", "gpt-4.1")
NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - timedelta(days=DAYS)
MONTH = TODAY - timedelta(days=30)
"""From midnight on, as the page's month and the dashboards' now-30d/d begin."""
LATE_IN_THE_DAY = """
INSERT INTO rolled_period (subject, day, hour, stamp)
SELECT subject, day, hour, now64(6, 'UTC') FROM rolled_period FINAL WHERE hour = 24 AND day = toDate(now('UTC')) - 1
"""
"""Yesterday is read from its hours, as today is late in the evening: what is measured does not depend on the clock."""
REFERENCE = "SELECT sum(sipHash64(number)) FROM numbers_mt(5000000)"
PICKED = {
    "task_timeline": {"task": "ticket-490000"},
    "explain_task": {"explained": "ticket-490000"},
    "trace": {"trace_id": "0" * 32},
    "call_usage": {"call_id": "0" * 32},
    "calls": {"limit": "25"},
    "call_distribution": {"limit": "100"},
    "waste": {"limit": "100", "ids": "0"},
    "cost_per_task": {"limit": "200"},
    "spend_by_user": {"limit": "200"},
}
"""What the page and the dashboards say where a question is of one thing, or where nobody reads all rows."""


def fill(store: Store, calls: int) -> None:
    """Write ``calls`` calls, in the order of their time."""
    catalogue = Catalogue.load()
    record(store, catalogue)
    cards = [catalogue.holding("openai", model, "", int(START.timestamp()) * 10**9) for model in MODELS]
    ids = ", ".join(f"'{card.card_id}'" for card in cards if card)
    names = ", ".join(f"'{model}'" for model in MODELS)
    task_ms = DAYS * 86_400_000 * CALLS_PER_TASK / calls
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
                sipHash64(task_n, 1) AS of_task,
                random % 97 = 0 AS is_error,
                NOT is_tool AND random % 50 = 0 AS is_unpriced,
                toUInt32(least(of_task % 200, intDiv(of_task, 1000) % 200)) AS agent_n,
                [{names}][(agent_n + (intDiv(of_task, 7) % 10 = 0)) % {len(MODELS)} + 1] AS model,
                [{ids}][(agent_n + (intDiv(of_task, 7) % 10 = 0)) % {len(MODELS)} + 1] AS card,
                1000 + (n % {CALLS_PER_TASK}) * 700 + random % 500 AS input,
                if(random % 4 = 0, 0, input - 900) AS cached,
                random % 700 AS output
            SELECT
                lower(hex(sipHash128(n))), if(is_tool, 'tool', 'llm'), lower(hex(sipHash128(task_n))),
                lower(hex(random)),
                toDateTime64('{START:%F %T}', 9, 'UTC') + toIntervalMillisecond(
                    toUInt64(task_n * {task_ms}) + (n % {CALLS_PER_TASK}) * 6000 + random % 6000
                ),
                10 + random % 3000, if(is_tool, NULL, 5 + random % 300), if(is_error, 'error', 'ok'),
                if(is_error, 'timeout', ''), concat('app-', toString(agent_n % 3)), 'spanledger',
                if(is_tool, '', 'openai'), if(is_tool, 'execute_tool', 'chat'), if(is_tool, '', model),
                if(is_tool, '', model),
                if(is_tool, '', concat('chatcmpl-', substring(hex(sipHash128(n, 'answer')), 1, 29))), 1,
                if(is_tool, NULL, input), if(is_tool, NULL, cached), if(is_tool, NULL, output),
                if(is_tool, 'missing', 'reported'),
                multiIf(is_tool, 0, is_unpriced, NULL, toDecimal64((input - cached + output * 4) * 0.0000025, 12)),
                multiIf(is_tool, 'not_billed', is_unpriced, 'unknown_model', 'priced'),
                if(is_tool OR is_unpriced, '', card),
                if(is_tool, concat('tool-', toString(agent_n % 5 * 3 + random % 3)), ''),
                if(is_tool, lower(hex(sipHash64(task_n, random % 40))), ''),
                concat('ticket-', toString(task_n)), concat('agent-', toString(agent_n)),
                concat('team-', toString(agent_n % 8)), concat('user-', toString(of_task % 5000)),
                concat('session-', toString(intDiv(task_n, 4))), 1048576, 0
            FROM numbers({count})
            """
        )


def measured(run: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Median milliseconds of ``run``, and of processor time of all threads."""
    run()
    times_ms, processor_ms = [], []
    for _ in range(rounds):
        before_s, started_s = _processor_s(), time.perf_counter()
        run()
        times_ms.append((time.perf_counter() - started_s) * 1000)
        processor_ms.append((_processor_s() - before_s) * 1000)
    return statistics.median(times_ms), statistics.median(processor_ms)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def expanded(sql: str) -> str:
    """A panel's statement over the last 30 days with all names, its macros as the data source replaces them."""
    first, last = int(MONTH.timestamp()), int((TODAY + timedelta(days=1)).timestamp())
    sql = re.sub(r"\$\{\w+:singlequote\}", "''", sql)
    sql = sql.replace("$__fromTime_ms", f"fromUnixTimestamp64Milli({first * 1000})")
    sql = sql.replace("$__toTime_ms", f"fromUnixTimestamp64Milli({last * 1000})")
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({first}) AND \1 <= toDateTime({last})", sql)
    return re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 1 hour)", sql)


def show(name: str, store: Store, *asked: tuple[str, dict[str, Any]]) -> tuple[float, float]:
    """Print a line: time, processor time and multiple of the reference, for each statement; returns the first's."""
    line, medians = f"{name[:44]:44}", []
    for sql, values in asked:
        reference_ms, _ = measured(lambda: store.query(REFERENCE), 1)
        wall_ms, processor_ms = measured(lambda sql=sql, values=values: store.query(sql, values))  # type: ignore[misc]
        line += f"{wall_ms:9.0f}{processor_ms:9.0f}{wall_ms / reference_ms:7.1f}"
        medians.append((wall_ms, processor_ms))
    print(line, flush=True)
    return medians[0]


def show_gain(store: Store, rolled: dict[str, tuple[float, float]]) -> None:
    """Print the processor time from calls, and how much more it is than that from roll-ups."""
    store.command(
        "INSERT INTO rolled_period (subject, day, hour, stamp) "
        "SELECT subject, day, hour, now64(6, 'UTC') FROM rolled_period FINAL"
    )
    print(f"\n{'30 days, cpu ms':44}{'calls':>9}{'rolled':>9}{'ratio':>7}")
    for name, (_, rolled_ms) in rolled.items():
        query = load()[name]
        if "rolled_period" in query.sql:
            values = bind(query, {"since": MONTH.isoformat(), **PICKED.get(name, {})})
            _, calls_ms = measured(lambda query=query, values=values: store.query(query.sql, values), 2)  # type: ignore[misc]
            print(f"{name:44}{calls_ms:9.0f}{rolled_ms:9.0f}{calls_ms / rolled_ms:7.1f}", flush=True)


def main(calls: int, directory: Path) -> None:
    """Print the tables."""
    store = open_embedded(directory)
    try:
        migrate(store)
        if store.query("SELECT count() FROM calls").rows == [(0,)]:
            started = time.perf_counter()
            fill(store, calls)
            print(f"{calls:,} calls written in {time.perf_counter() - started:.0f} s")
        started = time.perf_counter()
        made = RollUps(store, usable_after_s=0).make()
        if made:
            print(f"{len(made)} days and hours rolled up in {time.perf_counter() - started:.0f} s")
        store.command(LATE_IN_THE_DAY)
        ((left,),) = store.query(
            "SELECT count() FROM calls WHERE (toDate(started_at), toHour(started_at)) NOT IN (SELECT day, hour FROM "
            "rolled_period FINAL WHERE subject = 'calls' AND built > 0 AND hour < 24) AND toDate(started_at) NOT IN "
            "(SELECT day FROM rolled_period FINAL WHERE subject = 'calls' AND built > 0 AND hour = 24)"
        ).rows
        print(f"{left:,} calls are not rolled up")
        sizes = dict(store.query("SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active GROUP BY table").rows)
        per_call = {table: sizes[table] / calls for table in ("calls", "call_rollup", "run_rollup", "waste_rollup")}
        print(", ".join(f"{table}: {size:.1f} bytes a call on disk" for table, size in per_call.items()), "\n")
        heading = f"{'ms':>9}{'cpu ms':>9}{'x ref':>7}"
        print(f"{'':44}{'30 days':>25}{'whole ledger':>25}\n{'question':44}{heading}{heading}")
        rolled = {}
        for query in load().values():
            texts = PICKED.get(query.name, {})
            ranges = [{"since": MONTH.isoformat()}, {}] if any(p.name == "since" for p in query.parameters) else [{}]
            rolled[query.name] = show(
                query.name, store, *((query.sql, bind(query, {**texts, **one})) for one in ranges)
            )
        print(f"\n{'panel, 30 days':44}{heading}")
        medians_ms = [
            show(f"{board['title'].removeprefix('spanledger: ')}: {panel['title']}", store, (expanded(sql), {}))[0]
            for board in dashboards().values()
            for panel in board["panels"]
            for sql in (target["rawSql"] for target in panel["targets"])
        ]
        below = {limit_ms: sum(median_ms < limit_ms for median_ms in medians_ms) for limit_ms in (100, 300)}
        print(f"\nof {len(medians_ms)} panels {below[100]} take less than 100 ms and {below[300]} less than 300 ms")
        show_gain(store, rolled)
    finally:
        store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else CALLS,
            Path(sys.argv[2] if len(sys.argv) > 2 else scratch, "store"),
        )
