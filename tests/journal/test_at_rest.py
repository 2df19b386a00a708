"""What waits in a journal that nobody has open."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spanledger_collector.errors import DataDirectoryHeldError, PermanentError
from spanledger_collector.journal import Depth, Journal, Request, told, waiting_in
from spanledger_collector.journal.errors import JournalDamagedError

from .conftest import everything

Open = Callable[..., Journal]

WRITES_AND_STAYS = """
import sys, time
from pathlib import Path
from spanledger_collector.journal import Bounds, Journal, Request
journal = Journal(Path(sys.argv[1]), Bounds(10**9, 1e9, 0))
for number in range(3):
    journal.append([Request("traces", 10, b"x" * 1000)])
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The journal that a process wrote three requests to before it was killed."""
    path = tmp_path / "journal.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITES_AND_STAYS, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"written\n"
    with pytest.raises(DataDirectoryHeldError, match="held by another process"):
        waiting_in(path)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    return path


def contents(path: Path) -> dict[str, bytes]:
    """The journal's file and its log."""
    return {file.name: file.read_bytes() for file in (path, path.with_name(f"{path.name}-wal"))}


def test_what_a_killed_process_left_is_told_and_stays(killed: Path) -> None:
    """All that it had committed counts, though it is in the log yet, and no byte is changed."""
    before = contents(killed)
    assert before["journal.db-wal"]
    now_ms = time.time() * 1000
    entries, outgoing = waiting_in(killed)
    assert (entries.entries, entries.spans, entries.size_bytes) == (3, 30, 3000)
    assert entries.oldest_at_ms is not None
    assert now_ms - 60_000 < entries.oldest_at_ms <= now_ms
    assert outgoing == Depth()
    assert told(entries).keys() == {"requests", "spans", "bytes", "lag_s"}
    assert contents(killed) == before


def test_what_a_closed_journal_holds_is_told(open_journal: Open, tmp_path: Path) -> None:
    """What waits for the store, and what for a forward target, each by itself; nothing is made beside the file."""
    journal = open_journal()
    journal.outbox.switch(on=True)
    journal.append([Request("traces", 7, b"abc"), Request("logs", 0, b"defgh")])
    journal.outbox.stage(everything(journal)[:1], {1: b"longer"})
    journal.close()
    files = sorted(journal.path.parent.iterdir())
    entries, outgoing = waiting_in(journal.path)
    assert (entries.entries, entries.spans, entries.size_bytes) == (2, 7, 8)
    assert (outgoing.entries, outgoing.spans, outgoing.size_bytes) == (1, 7, 6)
    assert sorted(journal.path.parent.iterdir()) == files


def test_a_start_waits_for_who_looks(killed: Path, open_journal: Open) -> None:
    """A collector that starts while the journal is looked into is not refused."""
    looks = f"""
import sqlite3, time
database = sqlite3.connect({str(killed)!r}, isolation_level=None)
rows = database.execute("SELECT sequence FROM entry")
rows.fetchone()
print("looking", flush=True)
time.sleep(0.2)
rows.close()
"""
    looking = subprocess.Popen([sys.executable, "-c", looks], stdout=subprocess.PIPE)
    assert looking.stdout is not None
    assert looking.stdout.readline() == b"looking\n"
    assert open_journal().depth.entries == 3
    looking.communicate()


def test_a_journal_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Damage is told as at a start; an empty file holds nothing; a folder is no journal."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"")
    assert waiting_in(path) == (Depth(), Depth())
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(JournalDamagedError, match="is damaged"):
        waiting_in(path)
    with pytest.raises(PermanentError, match="cannot be read"):
        waiting_in(tmp_path)
