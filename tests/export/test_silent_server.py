"""Questions to a server that takes them and says nothing more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export import store as stores

from .conftest import chdb_server


def test_a_question_to_a_silent_server_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped server makes a question end with an error that names it; once it goes on, it answers the next."""
    monkeypatch.setattr(stores, "_SILENCE_S", 1)
    with chdb_server(tmp_path / "server") as (url, server):
        store = stores.open_server(url, timeout_s=30)
        try:
            server.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(StoreUnavailableError, match="did not answer") as refused:
                    store.query("SELECT 1")
            finally:
                server.send_signal(signal.SIGCONT)
            assert url.split("/")[2] in str(refused.value)
            assert store.query("SELECT 1").rows == [(1,)]
        finally:
            store.close()
