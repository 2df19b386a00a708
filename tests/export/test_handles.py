"""The store's handles: what runs beside what."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from spanledger_collector.export.store import Store, StoreError, StoreUnavailableError, open_embedded

SLOW = "SELECT sum(sleepEachRow(0.5)) FROM numbers(4) SETTINGS max_block_size = 1"


def test_a_closed_store_refuses_and_does_not_hang(tmp_path: Path) -> None:
    """Who asks after the end gets an error; closing again does nothing."""
    store = open_embedded(tmp_path / "chdb")
    store.close()
    store.close()
    with pytest.raises((StoreError, StoreUnavailableError)):
        store.query("SELECT 1")


def test_questions_and_writes_do_not_wait_for_long_work(store: Store) -> None:
    """While a long question and long work in the background run, a short question is answered and a row is written."""
    question = threading.Thread(target=store.query, args=(SLOW,))
    work = threading.Thread(target=store.command_beside, args=(SLOW,))
    question.start()
    work.start()
    # Until both have their handles.
    time.sleep(0.3)
    store.insert("calls", ("call_id", "version"), [["a"], [1]])
    assert store.query("SELECT call_id FROM calls").rows == [("a",)]
    assert question.is_alive()
    assert work.is_alive()
    question.join()
    work.join()
