"""The store's edges: migrations, the lock, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger_collector.config import Settings
from spanledger_collector.errors import DataDirectoryHeldError, PermanentError, StoreUnavailableError
from spanledger_collector.export.data_directory import DataDirectory, Holder
from spanledger_collector.export.migrate import migrate, migrations, statements
from spanledger_collector.export.retention import apply_retention
from spanledger_collector.export.store import Result, Store, StoreError, open_server
from spanledger_collector.export.store_settings import QUESTION_MEMORY_SHARE
from spanledger_collector.machine_memory import memory_bytes
from spanledger_collector.model import CALL_FIELDS, FACT_FIELDS

from .conftest import CHDB_OVER_HTTP


def test_migrations_are_numbered_without_gaps_and_applied_once(any_store: Store) -> None:
    """Every migration that ships is in the store after the start, and a second start applies nothing."""
    numbers = [number for number, _, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert migrate(any_store) == []
    found = any_store.query("SELECT DISTINCT number FROM schema_migrations ORDER BY 1").rows
    assert [number for (number,) in found] == numbers


def test_a_store_of_a_newer_spanledger_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Migrations go forward only: an older program on a newer store says so, and goes on."""

    class Newer:
        name = "the store"
        command = staticmethod(lambda _: None)
        query = staticmethod(lambda *_: Result(("number",), [(number,) for number in range(1, 10_000)]))

    assert migrate(Newer()) == []  # type: ignore[arg-type]
    assert "the store has been migrated to 9999" in caplog.text


def test_a_fresh_store_is_retained_as_the_defaults_say(any_store: Store) -> None:
    """The migrations and the default settings agree, so that a start alters nothing; a change is made once."""
    assert apply_retention(any_store, Settings().retention_days) == []
    assert apply_retention(any_store, {"otel_traces": 7}) == ["otel_traces"]
    assert apply_retention(any_store, {"otel_traces": 7}) == []
    assert apply_retention(any_store, Settings().retention_days) == ["otel_traces"]


def test_a_question_that_takes_too_much_memory_is_refused(store: Store) -> None:
    """It says what to do, and the store answers the next."""
    bound = [reader.get_client_setting("max_memory_usage") for reader in store._idle_readers.queue]
    for reader in store._idle_readers.queue:
        reader.set_client_setting("max_memory_usage", 10_000_000)
    try:
        with pytest.raises(StoreUnavailableError, match="ask for less, or give it more \\(question_memory_bytes\\)"):
            store.query("SELECT groupArray(number) FROM numbers(10000000)")
        assert store.query("SELECT 1").rows == [(1,)]
    finally:
        for reader, before in zip(store._idle_readers.queue, bound, strict=True):
            reader.set_client_setting("max_memory_usage", before)
    assert {int(size) for size in bound} == {int(memory_bytes() * QUESTION_MEMORY_SHARE)}


def test_statements_end_at_a_semicolon_at_the_end_of_a_line() -> None:
    """Comments go, a semicolon inside a line stays."""
    assert statements("-- first; comment\nSELECT ';';\n\nSELECT 2;\n") == ["SELECT ';'", "SELECT 2"]


@pytest.mark.parametrize(("table", "fields"), [("calls", CALL_FIELDS), ("facts", FACT_FIELDS)])
def test_tables_and_records_have_the_same_fields(store: Store, table: str, fields: tuple[str, ...]) -> None:
    """Every field of the record is a column of the table."""
    columns = {row[0] for row in store.query(f"DESCRIBE TABLE {table}").rows}
    assert {name.removesuffix("_ns") for name in fields} <= columns


def test_a_wrong_statement_is_told_in_one_line(any_store: Store) -> None:
    """The driver's error becomes ours with ClickHouse's number, and is one that would come again."""
    with pytest.raises(StoreError, match="Unknown") as caught:
        any_store.query("SELECT nonsense")
    assert caught.value.code == 47
    assert "\n" not in str(caught.value)


def test_a_held_data_directory_names_its_holder(tmp_path: Path) -> None:
    """A second process is refused with the id of the first, and gets in when that one has ended."""
    directory = DataDirectory(tmp_path)
    program = (
        "import sys; from pathlib import Path; from spanledger_collector.export.data_directory import *;"
        "d = DataDirectory(Path(sys.argv[1])); d.acquire(); d.announce(Holder.here('http://api', 'http://otlp'));"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryHeldError, match=f"held by process {process.pid}"):
            directory.acquire()
        assert directory.holder() == Holder(process.pid, "http://api", "http://otlp")
        process.kill()
    directory.acquire()
    directory.release()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the way gives an error that names the directory and the option."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="--data"):
        DataDirectory(tmp_path / "file" / "data").acquire()


def test_a_directory_that_cannot_be_written_is_named_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the start ends with a clear error; with space again the same process gets in."""
    directory = DataDirectory(tmp_path)
    write = Path.write_text
    monkeypatch.setattr(Path, "write_text", _find_no_space)
    with pytest.raises(PermanentError, match=f"{tmp_path} cannot be used: No space left"):
        directory.acquire()
    monkeypatch.setattr(Path, "write_text", write)
    directory.acquire()
    directory.release()


def _find_no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_nobody_else_looks_into_a_new_data_directory(tmp_path: Path) -> None:
    """Spans, prompts where they are recorded, and the ledger are for the collector's user, whatever the umask."""
    command = [sys.executable, "-m", "spanledger_collector", "migrate", "--data", str(tmp_path / "data")]
    subprocess.run(command, check=True, capture_output=True, umask=0o022)
    for folder in (tmp_path / "data", DataDirectory(tmp_path / "data").store_path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_server_that_does_not_answer_is_tried_again_then_named_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The start waits for a ClickHouse server that is coming up, and gives up with a clear error."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}.*--clickhouse") as caught:
        open_server(f"http://someone:hidden@127.0.0.1:{port}/db", timeout_s=1.2)
    assert "hidden" not in str(caught.value) + caplog.text
    assert "trying again" in caplog.text


def test_what_was_asked_is_in_no_log_when_the_server_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Parameters travel in the URL, which neither the error nor the log of the HTTP client quotes."""
    command = [sys.executable, str(CHDB_OVER_HTTP), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        store = open_server(f"http://127.0.0.1:{int(process.stdout.readline())}/db", timeout_s=30)
        assert store.query("SELECT {user:String}", {"user": "ada@example.org"}).rows == [("ada@example.org",)]
        process.kill()
    with pytest.raises(StoreUnavailableError, match="Connection refused") as error:
        store.query("SELECT {user:String}", {"user": "ada@example.org"})
    store.close()
    assert "example.org" not in str(error.value) + caplog.text


@pytest.mark.parametrize("url", ["localhost", "ftp://host", "http://"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    """A wrong --clickhouse value says what one looks like."""
    with pytest.raises(StoreError, match="http://user:password@host:8123"):
        open_server(url, timeout_s=0)
