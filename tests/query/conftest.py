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

MARCH_S = 1_772_323_200
"""2026-03-01T00:00:00Z."""
PRICE_ROWS: dict[str, dict[str, Any]] = {
    "price_card": {
        "card_id": "card-1", "provider": "openai", "model": "gpt-4o", "tier": "", "valid_from": MARCH_S,
        "valid_to": MARCH_S + 86_400, "bands": [1000], "slots": [], "source": "override",
        "source_version": "own.yaml 1", "catalogue_version": "v1", "recorded_at": MARCH_S,
    },
    "price_rate": {"card_id": "card-1", "band": 1, "slot": 0, "input": 2_500_000_001, "output": 10_000_000_000},
    "repricing": {
        "repricing_id": 1, "undoes": 0, "since": MARCH_S * 10**9, "until": (MARCH_S + 1) * 10**9,
        "catalogue_version": "v1", "changed_calls": 2, "old_cost_usd": None, "new_cost_usd": Decimal("0.5"),
        "complete": True, "recorded_at": MARCH_S * 10**3,
    },
    "display_rate": {
        "currency": "EUR", "valid_from": MARCH_S + 86_400, "rate": Decimal("0.9"), "catalogue_version": "v1",
    },
}  # fmt: skip

SPAN = {
    "Timestamp": MARCH_S * 10**9 + 1, "TraceId": "t1", "SpanId": "s1", "ParentSpanId": "s0", "SpanName": "chat gpt-4o",
    "SpanKind": "Client", "ServiceName": "app", "Duration": 10_000_000, "StatusCode": "Ok",
}  # fmt: skip
"""The span of call c01."""


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
    for table, row in {**PRICE_ROWS, "otel_traces": SPAN}.items():
        empty_store.insert(table, tuple(row), [[value] for value in row.values()])
    return empty_store


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    assert row.keys() == EMPTY_ROW.keys()
    money = {name: Decimal(row[name]) for name in ("cost_usd", "reported_cost_usd") if row[name] is not None}
    return {**row, **money, "started_at": _nanoseconds(row["started_at"])}


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(datetime.fromisoformat(seconds + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))
