"""The contract of the journal: order, durability, bounds, removal, and clear errors."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger_collector.errors import DataDirectoryHeldError, PermanentError
from spanledger_collector.journal import Bounds, Depth, Journal, oldest
from spanledger_collector.journal.errors import JournalDamagedError
from spanledger_collector.receive.errors import QueueFullError

from .conftest import ROOMY, Clock, bodies, everything, request

Open = Callable[..., Journal]


def test_what_was_appended_is_read_in_order_after_a_restart(open_journal: Open) -> None:
    """The order is that of arrival, over commits and restarts, and a number is never given twice."""
    journal = open_journal()
    journal.append([request(b"1"), request(b"2")])
    journal.append([request(b"3")])
    first = everything(journal)
    journal = open_journal()
    journal.append([request(b"4")])
    entries = everything(journal)
    assert bodies(entries) == [b"1", b"2", b"3", b"4"]
    assert entries[:3] == first
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4]


def test_a_batch_ends_at_either_limit_and_has_at_least_one(open_journal: Open) -> None:
    """Spans and bytes bound what is read together; a request over a limit is read alone."""
    journal = open_journal()
    journal.append([request(b"x" * size, spans) for size, spans in ((10, 5), (10, 5), (10, 500), (1000, 1))])
    assert len(journal.read(max_spans=10, max_bytes=100)) == 2
    assert len(journal.read(max_spans=1000, max_bytes=15)) == 1
    assert len(journal.read(max_spans=1, max_bytes=1)) == 1


def test_what_is_removed_is_gone_and_the_rest_stays(open_journal: Open, clock: Clock) -> None:
    """Removal survives a restart, and the depth always says what waits."""
    journal = open_journal()
    journal.append([request(b"aa", 3), request(b"bb", 4)])
    clock.now_s += 10
    journal.append([request(b"ccc", 5)])
    assert journal.depth == Depth(3, 12, 7, 1_700_000_000_000)
    journal.remove(everything(journal)[:2])
    expected = Depth(1, 5, 3, 1_700_000_010_000)
    assert journal.depth == expected
    journal = open_journal()
    assert (journal.depth, bodies(everything(journal))) == (expected, [b"ccc"])
    journal.remove(everything(journal))
    assert open_journal().depth == Depth()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.booleans()), max_size=12))
def test_what_is_remembered_is_what_is_on_disk(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[int, int, bool]]
) -> None:
    """However much is written and removed in what order, and with room for few: a read is that of a fresh start."""
    monkeypatch.setattr(oldest, "_MOST_BYTES", 4 * oldest._BYTES_OF_AN_ENTRY + 10)
    journal = open_journal()
    if left := everything(journal):
        journal.remove(left)
    waiting: list[bytes] = []
    number = 0
    for written, removed, from_the_middle in steps:
        added = [b"%d" % (number := number + 1) for _ in range(written)]
        journal.append([request(body) for body in added])
        waiting += added
        first = 1 if from_the_middle else 0
        if gone := everything(journal)[first : first + removed]:
            journal.remove(gone)
            del waiting[first : first + removed]
        assert bodies(everything(journal)) == waiting
        assert bodies(journal.read(max_spans=2, max_bytes=10**6)) == waiting[:2]
    assert bodies(everything(open_journal())) == waiting


def test_at_its_size_the_journal_has_no_room_and_says_which_setting(open_journal: Open) -> None:
    """A request that would go beyond the bound is refused; one alone is never too large; removal makes room."""
    journal = open_journal(Bounds(max_bytes=100, max_age_s=60, min_free_bytes=0))
    journal.check_room(1000)
    journal.append([request(b"x" * 60)])
    journal.check_room(40)
    with pytest.raises(QueueFullError, match="journal_max_bytes") as refusal:
        journal.check_room(41)
    assert refusal.value.retry_after_s > 0
    journal.remove(everything(journal))
    journal.check_room(41)


def test_at_its_age_the_journal_has_no_room(open_journal: Open, clock: Clock) -> None:
    """When the oldest request has waited too long, clients are told, also after a restart."""
    bounds = Bounds(max_bytes=100, max_age_s=60, min_free_bytes=0)
    journal = open_journal(bounds)
    journal.append([request()])
    clock.now_s += 60
    journal.check_room(1)
    clock.now_s += 1
    for again in (journal, open_journal(bounds)):
        with pytest.raises(QueueFullError, match="journal_max_age_s"):
            again.check_room(1)


def test_a_disk_that_is_nearly_full_is_left_what_is_to_stay_free(open_journal: Open, tmp_path: Path) -> None:
    """The store needs room to take what waits, so the journal does not take the last of it."""
    journal = open_journal(Bounds(max_bytes=10**9, max_age_s=60, min_free_bytes=1 << 62))
    with pytest.raises(QueueFullError, match="min_free_bytes"):
        journal.append([request()])
    assert everything(journal) == []
    assert not journal.disk_has_room


def test_a_full_disk_refuses_keeps_all_that_was_taken_and_recovers(tmp_path: Path) -> None:
    """At the limit of the file's size nothing half is written; what was there is read, removed, and replaced."""
    program = f"""
import resource, sys
from pathlib import Path
from spanledger_collector.journal import Bounds, Journal, Request
from spanledger_collector.receive.errors import QueueFullError
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
journal = Journal(Path({str(tmp_path / "journal.db")!r}), Bounds(1 << 40, 60, 0))
taken = 0
assert journal.disk_has_room
try:
    while True:
        journal.append([Request("traces", 1, bytes([taken % 256]) * 100_000)])
        taken += 1
except QueueFullError:
    pass
assert not journal.disk_has_room
entries = journal.read(max_spans=1 << 30, max_bytes=1 << 40)
assert [e.request.body[0] for e in entries] == [n % 256 for n in range(taken)], len(entries)
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
print(taken)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    taken = int(ended.stdout)
    assert taken > 10
    journal = Journal(tmp_path / "journal.db", ROOMY)
    try:
        assert journal.depth.entries == taken
        journal.remove(everything(journal))
        journal._full_until_s = math.inf
        journal.append([request(b"again")])
        assert journal.disk_has_room
        assert bodies(everything(journal)) == [b"again"]
    finally:
        journal.close()


def test_a_second_process_is_refused(open_journal: Open, tmp_path: Path) -> None:
    """Two collectors on one directory would each take half; the message says what to do."""
    open_journal()
    with pytest.raises(DataDirectoryHeldError, match="--data"):
        Journal(tmp_path / "journal.db", ROOMY)


@pytest.mark.parametrize("damage", ["no database", "broken page"])
def test_a_damaged_journal_is_named_with_the_way_out(open_journal: Open, tmp_path: Path, damage: str) -> None:
    """Nothing is guessed or thrown away: the operator moves the file aside."""
    journal = open_journal()
    journal.append([request(os.urandom(100_000)) for _ in range(5)])
    journal.close()
    path = tmp_path / "journal.db"
    content = bytearray(path.read_bytes())
    content[: 100 if damage == "no database" else 0] = b"\xff" * (100 if damage == "no database" else 0)
    if damage == "broken page":
        content[32768 : 32768 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(JournalDamagedError, match=r"journal\.db is damaged; move it .* aside"):
        open_journal()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says which path, and which flag names another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match=r"file/journal\.db cannot be opened .* --data"):
        Journal(tmp_path / "file" / "journal.db", ROOMY)


def test_nobody_else_reads_the_journal(open_journal: Open, tmp_path: Path) -> None:
    """It holds what the spans hold."""
    open_journal().append([request()])
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
