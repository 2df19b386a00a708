"""Settings of ClickHouse by what a handle is for, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

CLUSTER_SETTINGS = {
    # Success is told when the shards have the rows, not when the first host has put them aside.
    "distributed_foreground_insert": 1,
    # A question inside a question asks all shards, too.
    "distributed_product_mode": "global",
    # The replica that was written to is asked: one that lags behind would not know of a call that a copy comes of.
    "load_balancing": "in_order",
}

WRITE_SETTINGS = {
    # Traces of many days come together when old ones are imported, and each day is a partition of its own.
    "max_partitions_per_insert_block": 0,
    # Rows are replaced when parts are merged; doing it in each insert besides costs half as much again.
    "optimize_on_insert": 0,
    # A block that is inserted again, as its answer was lost, is one to its table; its view may lack it, and gets it.
    # Older servers do not by themselves.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}

INSERT_SETTINGS: dict[str, dict[str, Any]] = {
    # Its four skip indexes cost a third of the insert, and every merge of parts makes them anew all the same; until
    # then a new part is read without. `facts` is asked by its indexes for each batch, and has them at once.
    "otel_traces": {"materialize_skip_indexes_on_insert": 0},
}

QUESTION_MEMORY_SHARE = 0.4
"""Of the memory there is, what a question may take of an embedded store, which shares it with what receives."""
WORK_MEMORY = {
    "max_memory_usage": 600_000_000,
    # What is more goes to disk, as far as it can.
    "max_bytes_before_external_group_by": 200_000_000,
    "max_bytes_before_external_sort": 200_000_000,
}
"""What a statement in the background may take of it. A server has bounds of its own."""

EMBEDDED_SETTINGS = dict.fromkeys(
    (
        "optimize_aggregators_of_group_by_keys",
        "optimize_and_compare_chain",
        "optimize_extract_common_expressions",
        "optimize_group_by_function_keys",
        "optimize_injective_functions_in_group_by",
        "optimize_redundant_comparisons",
        "optimize_redundant_functions_in_order_by",
        "optimize_truncate_order_by_after_group_by_keys",
    ),
    0,
)
"""Looks for what our questions do not have. Each goes, for an expression, through all that its columns come from, which
took a tenth of the time to plan the longest question (see ``deploy/clickhouse/users.d/grafana.xml``)."""

EMBEDDED_OPTIONS = {
    # Merges are for later; without the right to set it (CAP_SYS_NICE) they take their share.
    "os_threads_nice_value_merge_mutate": "10",
}


def put(settings: Mapping[str, Any], *clients: Client) -> None:
    """Have each of these handles use them."""
    for client in clients:
        for setting, value in settings.items():
            client.set_client_setting(setting, value)
