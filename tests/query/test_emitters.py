"""The question ``emitters`` on what real and unknown emitters sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.store import Store
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.query.run import StoreAsker
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import read_logs

CORPUS = Path(__file__).parents[1] / "corpus"


def unknown_emitter() -> ExportTraceServiceRequest:
    """A span in words that nobody knows."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "newcomer"
    span = resource_spans.scope_spans.add().spans.add(
        trace_id=bytes([1] * 16),
        span_id=bytes([2] * 8),
        start_time_unix_nano=1_795_458_982 * 10**9,
        end_time_unix_nano=1_795_458_983 * 10**9,
    )
    span.attributes.add(key="acme.prompt_tokens").value.int_value = 12
    span.attributes.add(key="acme.reply_tokens").value.int_value = 3
    return request


@pytest.fixture(scope="module")
def reported(empty_store: Store) -> Store:
    """A store into which two known emitters and an unknown one reported, one of them by spans and log records."""
    pipeline = Pipeline(Ledger(empty_store), Catalogue.load())
    for emitter in ("claude_cli", "vercel_ai_v7"):
        for path in sorted((CORPUS / emitter).glob("traces-*")):
            pipeline.process([received.body for received in read_requests(path)])
        for path in sorted((CORPUS / emitter / "logs").glob("logs-*")):
            pipeline.process([read_logs(path)])
    pipeline.process([unknown_emitter()])
    return empty_store


def ask(store: Store, **parameters: str) -> list[dict[str, Any]]:
    """The rows of the answer by column."""
    answer = StoreAsker(store).ask("emitters", parameters)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_each_service_and_dialect_is_a_row(reported: Store) -> None:
    """Calls, copies and wrappers of each emitter, and the names by which an unknown dialect shows itself."""
    counted = ("calls", "calls_without_usage", "duplicates_merged", "wrappers_passed", "unread_attributes")
    assert {(row["service"], row["dialect"]): tuple(row[name] for name in counted) for row in ask(reported)} == {
        ("svc-vercel_ai_v7", "vercel_ai"): (19, 0, 2, 24, ""),
        ("claude-code", "claude_code"): (6, 0, 8, 2, ""),
        ("newcomer", ""): (0, 0, 0, 0, "acme.prompt_tokens, acme.reply_tokens"),
    }


def test_narrowed_to_some_calls_the_spans_are_not_counted(reported: Store) -> None:
    """A filter picks calls; how many spans they had is then left open, not guessed."""
    (row,) = ask(reported, model="gpt-4.1")
    assert (row["calls"], row["duplicates_merged"], row["wrappers_passed"]) == (3, None, None)


def test_the_interval_holds_for_spans_too(reported: Store) -> None:
    """Emitters that were silent in the interval are no rows."""
    assert ask(reported, until="2026-01-01T00:00:00Z") == []
