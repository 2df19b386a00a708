"""The migrations for a cluster, from the same text: ``clustered(statement, cluster) -> statements``.

Each table becomes two on every host: ``NAME_local`` holds the shard's rows and is replicated, ``NAME`` is Distributed
over all shards, so that every other statement of ours stays as it is. Rows with the same sorting key must meet on one
shard to be merged there: the table's identity, not a random number, decides the shard.
"""

from __future__ import annotations

import re

from spanledger_collector.errors import PermanentError

LOCAL = "_local"

SHARD_BY = {
    "calls": "call_id",
    "calls_moving": "call_id",
    "call_rollup": "agent",
    "run_rollup": "run_key",
    "waste_rollup": "task",
    "facts": "trace_id",
    "otel_traces": "TraceId",
    "otel_traces_trace_id_ts": "TraceId",
    "price_rate": "card_id",
    "repriced_call": "call_id",
}
"""The column that decides the shard; tables that are not here are small and live on the first one."""

_NAME = r"(?P<name>\w+)"
_CREATE = re.compile(rf"CREATE TABLE IF NOT EXISTS {_NAME}\s*(?:\(|AS (?P<like>\w+)\s)", re.IGNORECASE)
_ENGINE = re.compile(r"\s*\bENGINE\s*=\s*(?P<engine>\w*MergeTree)(?:\s*\((?P<arguments>[^)]*)\))?", re.IGNORECASE)
_VIEW = re.compile(
    rf"CREATE MATERIALIZED VIEW IF NOT EXISTS {_NAME} TO (?P<target>\w+) AS(?P<select>.+?)\bFROM (?P<source>\w+)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_VIEW = re.compile(rf"CREATE (?:OR REPLACE )?VIEW (?:IF NOT EXISTS )?{_NAME}", re.IGNORECASE)
_ALTER = re.compile(rf"ALTER TABLE {_NAME}\s+(?P<change>.+)", re.IGNORECASE | re.DOTALL)
_DROP = re.compile(rf"DROP (?P<kind>VIEW|TABLE) IF EXISTS {_NAME}", re.IGNORECASE)
_ROWS = re.compile(r"INSERT INTO \w+\s+SELECT|SELECT", re.IGNORECASE)

_ONE_REPLICA = "SETTINGS load_balancing = 'in_order', prefer_localhost_replica = 0"
"""What a statement wrote the next one reads, which another replica may lack yet: each shard's first one takes all."""


class UnclusteredError(PermanentError):
    """A statement of a kind that has no form for a cluster yet; a migration needs one in ``export.cluster``."""


def on_cluster(cluster: str) -> str:
    """The clause for a cluster's name, with a space before it; '' without one."""
    return f" ON CLUSTER `{cluster}`" if cluster else ""


def clustered(statement: str, cluster: str) -> list[str]:
    """What to run on a cluster for a statement of the migrations, in this order; without a cluster, the statement.

    Raises:
        UnclusteredError: the statement is none of CREATE TABLE ... MergeTree, CREATE MATERIALIZED VIEW ... TO, CREATE
            VIEW, ALTER TABLE, DROP ... IF EXISTS, INSERT INTO ... SELECT and SELECT.
    """
    if not cluster:
        return [statement]
    where = on_cluster(cluster)
    if found := _CREATE.match(statement):
        return _create(statement, found, cluster)
    if found := _VIEW.match(statement):
        return [
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {found['name']}{where} TO {found['target']}{LOCAL} AS"
            f"{found['select']}FROM {found['source']}{LOCAL}{statement[found.end() :]}"
        ]
    if found := _PLAIN_VIEW.match(statement):
        # A question under a name: it reads the tables that answer for all shards.
        return [f"{found[0]}{where}{statement[found.end() :]}"]
    if found := _ALTER.match(statement):
        change = found["change"]
        local = [f"ALTER TABLE {found['name']}{LOCAL}{where} {change}"]
        # Columns are of both; indices, times to live and settings are of the one that holds the rows.
        is_of_both = re.match(r"(ADD|DROP|RENAME|MODIFY|COMMENT) COLUMN", change, re.IGNORECASE)
        return [*local, f"ALTER TABLE {found['name']}{where} {change}"] if is_of_both else local
    if found := _DROP.match(statement):
        if found["kind"].upper() == "VIEW":
            return [f"{found[0]}{where}"]
        # A table of this name may come anew: only with SYNC its replicas' place in the keeper is free by then.
        return [f"{found[0]}{where}", f"{found[0]}{LOCAL}{where} SYNC"]
    if _ROWS.match(statement):
        # What moves or checks rows is run once, and for all shards.
        return [f"{statement} {_ONE_REPLICA}"]
    raise UnclusteredError(f"no form for a cluster is known of the statement that begins {statement[:60]!r}")


def _create(statement: str, created: re.Match[str], cluster: str) -> list[str]:
    where = on_cluster(cluster)
    name = created["name"]
    found = _ENGINE.search(statement)
    if found is None:
        raise UnclusteredError(f"table {name} has no engine of the MergeTree family")
    # Two arguments come first: where the replicas meet, and which one this is.
    arguments = ", ".join(
        ("'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'", *filter(None, [found["arguments"]]))
    )
    rest = statement[found.end() :].replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    # A table like another has the columns of the one that holds rows.
    like = created["like"]
    columns = f"AS {like}{LOCAL}" if like else statement[statement.index("(") : found.start()]
    engine = f"Replicated{found['engine']}({arguments})"
    shard = f"cityHash64({SHARD_BY[name]})" if name in SHARD_BY else "0"
    return [
        f"CREATE TABLE IF NOT EXISTS {name}{LOCAL}{where} {columns} ENGINE = {engine}{rest}",
        f"CREATE TABLE IF NOT EXISTS {name}{where} AS {name}{LOCAL} "
        f"ENGINE = Distributed('{cluster}', currentDatabase(), '{name}{LOCAL}', {shard})",
    ]
