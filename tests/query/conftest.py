"""An embedded store with the ledger's tables, and a ledger with known truth to ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded

EMPTY_ROW: dict[str, Any] = {
    "call_id": "",
    "kind": "llm",
    "trace_id": "",
    "span_id": "",
    "started_at": "2026-03-01T00:00:00",
    "duration_ms": 10.0,
    "ttft_ms": None,
    "status": "ok",
    "error_type": "",
    "service": "",
    "dialect": "",
    "provider": "",
    "operation": "",
    "request_model": "",
    "response_model": "",
    "response_id": "",
    "stream": False,
    "input_tokens": None,
    "cache_read_tokens": None,
    "cache_write_tokens": None,
    "cache_write_1h_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
    "usage_status": "missing",
    "cost_usd": None,
    "reported_cost_usd": None,
    "price_status": "",
    "price_card_id": "",
    "tool_name": "",
    "tool_call_id": "",
    "tool_arguments_hash": "",
    "task": "",
    "agent": "",
    "team": "",
    "user": "",
    "session": "",
    "version": 1,
    "is_deleted": 0,
}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated store without a row; one a module, as chDB takes one path at a time."""
    store = open_embedded(tmp_path_factory.mktemp("store"))
    migrate(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def store(empty_store: Store) -> Store:
    """The store with the rows of ``ledger.yaml``; what a row there does not say is as in ``EMPTY_ROW``."""
    given = yaml.safe_load((Path(__file__).parent / "ledger.yaml").read_text("utf-8"))
    rows = [_stored({**EMPTY_ROW, **row}) for row in given]
    empty_store.insert("calls", tuple(EMPTY_ROW), list(zip(*(row.values() for row in rows), strict=True)))
    return empty_store


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    assert row.keys() == EMPTY_ROW.keys()
    money = {name: Decimal(row[name]) for name in ("cost_usd", "reported_cost_usd") if row[name] is not None}
    return {**row, **money, "started_at": _nanoseconds(row["started_at"])}


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(datetime.fromisoformat(seconds + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
