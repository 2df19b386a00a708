"""Skip indexes of spans are left to the merges: an insert is cheaper, and every question has its answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.decode import Decoder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.store import Store
from spanledger_collector.model import Fact
from spanledger_collector.receive.files import read_requests

CORPUS = Path(__file__).parents[1] / "corpus"
INDEXES = "SELECT sum(secondary_indices_uncompressed_bytes) FROM system.parts WHERE active AND table = {table:String}"


def write_spans(store: Store) -> str:
    """Store captured spans; returns their trace's id."""
    (received,) = read_requests(CORPUS / "genai_openai" / "traces-001.bin")
    Ledger(store).write_spans(Decoder(bool, bool).decode([received.body]).block)
    return str(received.body.resource_spans[0].scope_spans[0].spans[0].trace_id.hex())


def index_bytes(store: Store, table: str) -> int:
    """What the skip indexes of a table take."""
    ((size_bytes,),) = store.query(INDEXES, {"table": table}).rows
    return int(size_bytes)


def test_only_spans_are_inserted_without_and_a_merge_makes_them(store: Store) -> None:
    """New parts of `otel_traces` have none and are found by their trace all the same; `facts` has its own at once."""
    store.command("TRUNCATE TABLE otel_traces")
    trace_id = write_spans(store)
    found = store.query("SELECT count() FROM otel_traces WHERE TraceId = {id:String}", {"id": trace_id}).rows
    assert found[0][0] > 0
    assert index_bytes(store, "otel_traces") == 0
    Ledger(store).write_facts([Fact("t" * 32, "s" * 16, "", response_id="r")])
    assert index_bytes(store, "facts") > 0
    store.command("OPTIMIZE TABLE otel_traces FINAL")
    assert index_bytes(store, "otel_traces") > 0


def test_a_server_without_the_setting_is_not_asked_for_it(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older servers, and users who may change nothing, store spans as well."""
    asked: list[Any] = []
    client = any_store._spans_client
    raw_insert = client.raw_insert

    def note(table: str, columns: Any, block: bytes, settings: Any, **more: Any) -> Any:
        asked.append(settings)
        return raw_insert(table, columns, block, settings, **more)

    monkeypatch.setattr(client, "raw_insert", note)
    write_spans(any_store)
    monkeypatch.setattr(client, "server_settings", {})
    write_spans(any_store)
    assert asked == [{"materialize_skip_indexes_on_insert": 0}, {}]
