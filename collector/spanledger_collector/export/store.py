"""One store, two homes: chDB in this process, or a ClickHouse server by URL, both through clickhouse-connect.

Errors of the driver are translated here and nowhere else: what may pass (a server that is down, a socket that broke)
is ``StoreUnavailableError``, what will fail again (a statement that is wrong) is ``StoreError``. An error of an insert
is told by its number and name alone, as ClickHouse's own words may quote what was to be inserted.
"""

from __future__ import annotations

import logging
import queue
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from spanledger_collector.errors import PermanentError, StoreUnavailableError
from spanledger_collector.export.cluster import on_cluster
from spanledger_collector.export.data_directory import make_private
from spanledger_collector.export.store_settings import (
    CLUSTER_SETTINGS,
    EMBEDDED_OPTIONS,
    EMBEDDED_SETTINGS,
    INSERT_SETTINGS,
    QUESTION_MEMORY_SHARE,
    WORK_MEMORY,
    WRITE_SETTINGS,
    put,
)
from spanledger_collector.machine_memory import memory_bytes

DATABASE = "spanledger"
"""Not `default`, which chDB lays over the file system."""

_READERS = 2
"""Questions that are answered beside each other, so that a short one need not wait for a long one."""

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

# Columns that cannot be written are logged with a traceback, which may quote them, and requests that cannot be sent
# with their URL, where the parameters of a question are. All of it is raised as an error, too.
for _name in ("clickhouse_connect", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

MEMORY_LIMIT_CODE = 241
_CODE = re.compile(r"\b(?:Code: |code: |error code )(\d+)\b")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?: \(version [^\n]*)?$")
_HTTP_STATUS = re.compile(r"^HTTP driver received HTTP status (\d+)")
"""Without a number of ClickHouse's own it is of who stands before it, as 502 while a server restarts behind a proxy."""
_URL = re.compile(r" with url: \S+| executing HTTP request attempt \d+ \(\S+\)| \(for url \S+\)")
_TOO_LARGE = "413"
_MISFITS = (TypeError, ValueError, ArithmeticError, AttributeError, IndexError, struct.error)
"""What the driver raises for a value that its column cannot hold."""
_READ_ONLY_CODE = 164
_SILENCE_S = 20
"""How long a server may say nothing to a question. One that works on it tells its progress in the meantime, and may
take as long as it needs."""
_SILENCE_OF_WRITES_S = 300
_PASSING_CODES = {
    *(60, 81, 192, 193, 194, 497, 516),  # not there, or not for us: tables, databases, users, passwords
    *(74, 75, 76, 87, 88, 243),  # files that cannot be read or written, above all on a full disk
    *(159, 160, 202, 209, 210, 236, MEMORY_LIMIT_CODE, 252, 394, 439),  # too much at once, cut short
    *(242, 279),  # read-only for now, no replica answers
    *(225, 244, 254, 265, 285, 286, 319, 999),  # replicas and their keeper
}
"""ClickHouse's errors that tell of its own state. The same statement succeeds when somebody has mended that."""
_NO_SPACE = "No space left on device"


class StoreError(PermanentError):
    """The store refused a statement, and would refuse it again; ``code`` is ClickHouse's number, if it has one."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, frozen=True)
class Result:
    """An answer: column names, and rows of Python values in their order."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Store:
    """Reads, writes and work in the background beside each other, as a chDB handle does one thing at a time."""

    def __init__(
        self,
        open_client: Callable[[], Client],
        name: str,
        *,
        open_reader: Callable[[], Client] | None = None,
        question_memory_bytes: int = 0,
    ) -> None:
        """``question_memory_bytes`` bounds what a question may take, and has work beside bounded; 0 bounds neither.

        With ``open_reader`` questions have handles of another kind.
        """
        self.name = name
        self._memory_setting = "question_memory_bytes" if question_memory_bytes else "its max_memory_usage"
        self._write_client = open_client()
        self._spans_client = open_client()
        self._work_client = open_client()
        self._idle_readers: queue.LifoQueue[Client] = queue.LifoQueue()
        readers = [(open_reader or open_client)() for _ in range(_READERS)]
        for reader in readers:
            self._idle_readers.put(reader)
        put(WRITE_SETTINGS, self._write_client, self._spans_client)
        if question_memory_bytes:
            put({"max_memory_usage": question_memory_bytes}, *readers)
            put(WORK_MEMORY, self._work_client)
        self._write_lock = threading.Lock()
        self._spans_lock = threading.Lock()
        self._work_lock = threading.Lock()

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Result:
        """Run a SELECT with ClickHouse typed placeholders (``{name:Type}``)."""
        with self._reader() as reader:
            answer = self._translate(lambda: reader.query(sql, parameters=parameters))
        return Result(tuple(answer.column_names), list(map(tuple, answer.result_rows)))

    def query_read_only(self, sql: str) -> Result:
        """Run a statement that somebody wrote by hand: ClickHouse refuses it if it would change anything.

        The handle that an embedded store does it on stays read-only from then on.
        """
        with self._reader() as reader:
            answer = self._translate(lambda: reader.query(sql, settings={"readonly": 1}))
        return Result(tuple(answer.column_names), list(map(tuple, answer.result_rows)))

    def query_raw(self, sql: str, output_format: str) -> bytes:
        """Run a SELECT whose answer is wanted as ClickHouse writes it in one of its formats."""
        with self._reader() as reader:
            return self._translate(lambda: reader.raw_query(sql, fmt=output_format))

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement that answers nothing, with the same placeholders."""
        with self._write_lock:
            self._translate(lambda: self._write_client.command(sql, parameters=parameters), writes=True)

    def command_beside(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """``command``, for what may take long: writes do not wait for it."""
        with self._work_lock:
            self._translate(lambda: self._work_client.command(sql, parameters=parameters), writes=True)

    def insert(self, table: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """Insert ``values``, one sequence a column. Returns when ClickHouse has the rows."""
        if not values or not values[0]:
            return
        with self._write_lock:
            self._translate(
                lambda: self._write_client.insert(table, values, column_names=list(columns), column_oriented=True),
                writes=True,
                table=table,
            )

    def insert_native(self, table: str, blocks: bytes, columns: Sequence[str] = ()) -> None:
        """Insert rows in ClickHouse's Native format: blocks, one after the other. Returns when ClickHouse has them.

        ``columns`` names those of the blocks where they are not all of the table's. Spans go in beside all else that is
        written.
        """
        if not blocks:
            return
        is_spans = table == "otel_traces"
        client, lock = (self._spans_client, self._spans_lock) if is_spans else (self._write_client, self._write_lock)
        # A server that does not know a setting, or does not let its user change it, works without.
        known = client.server_settings
        settings = {
            name: value
            for name, value in INSERT_SETTINGS.get(table, {}).items()
            if name in known and not known[name].readonly
        }
        with lock:
            self._translate(
                lambda: client.raw_insert(table, columns or None, blocks, settings, fmt="Native"),
                writes=True,
                table=table,
            )

    def close(self) -> None:
        """Wait for what runs, then close; a second call does nothing."""
        with self._write_lock, self._spans_lock, self._work_lock:
            self._write_client.close()
            self._spans_client.close()
            self._work_client.close()
            readers = [self._idle_readers.get() for _ in range(_READERS)]
            for reader in readers:
                reader.close()
                # Who asks now learns that it is closed.
                self._idle_readers.put(reader)

    @contextmanager
    def _reader(self) -> Iterator[Client]:
        """A handle for a question; who finds none waits for one."""
        reader = self._idle_readers.get()
        try:
            yield reader
        finally:
            self._idle_readers.put(reader)

    def _translate(self, run: Callable[[], _Answer], *, writes: bool = False, table: str = "") -> _Answer:
        """``run``; with the ``table`` of an insert, nothing that was to be inserted gets into an error."""
        try:
            return run()
        except ClickHouseError as error:
            raise self._failure(error, writes, table) from (None if table else error)
        except OSError as error:
            # The driver hands rows to chDB in a file: without space for it there is no insert.
            raise StoreUnavailableError(f"{self.name} cannot be reached now: {error.strerror}") from error
        except _MISFITS as error:
            if not table:
                raise
            raise StoreError(f"a row does not fit the columns of {table}: {type(error).__name__}") from None

    def _failure(self, error: ClickHouseError, writes: bool, table: str) -> StoreError | StoreUnavailableError:
        code = _code(error)
        said = _without_values(error, code) if table else _first_line(error)
        if isinstance(error, OperationalError):
            return StoreUnavailableError(f"{self.name} did not answer: {said}", code)
        if code == _READ_ONLY_CODE and not writes:
            return StoreError(f"{self.name} runs only what reads here: {said}", code)
        # For who writes, a disk or a replica is read-only, or the user is: somebody mends that.
        mended = code in _PASSING_CODES or code == _READ_ONLY_CODE or _NO_SPACE in str(error)
        status = _HTTP_STATUS.match(str(error))
        if code == MEMORY_LIMIT_CODE and not writes:
            said = f"that takes too much memory; ask for less, or give it more ({self._memory_setting}): {said}"
        if mended or (status and not code and status[1] != _TOO_LARGE):
            return StoreUnavailableError(f"{self.name} cannot answer now: {said}", code)
        return StoreError(f"{self.name} refused {f'rows of {table}' if table else 'a statement'}: {said}", code)


def sync_inserts(store: Store) -> None:
    """Let an insert return when its rows survive a crash of the machine, not only of the process."""
    unsynced = store.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND create_table_query NOT LIKE '%fsync_after_insert = 1%'"
    )
    for (table,) in unsynced.rows:
        store.command(f"ALTER TABLE `{table}` MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1")


def open_embedded(directory: Path, question_memory_bytes: int = 0) -> Store:
    """Open chDB in ``directory``. Only after any fork, and once per process: see ``data_directory`` for the lock.

    A question may take so much memory; with 0, a share of what there is.
    """
    make_private(directory)
    bound_bytes = question_memory_bytes or int(memory_bytes() * QUESTION_MEMORY_SHARE)

    def open_client() -> Client:
        # `path=`; the older `chdb_path=` is ignored with a warning and opens a store in memory.
        client = clickhouse_connect.get_client(interface="chdb", path=str(directory), chdb_options=EMBEDDED_OPTIONS)
        client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        client.command(f"USE {DATABASE}")
        client.database = DATABASE
        put(EMBEDDED_SETTINGS, client)
        return client

    return Store(open_client, "the embedded store", question_memory_bytes=bound_bytes)


def open_server(url: str, cluster: str = "", *, timeout_s: float, makes_database: bool = True) -> Store:
    """Connect to a ClickHouse server, waiting up to ``timeout_s`` seconds for one that does not answer yet.

    With the name of a ``cluster``, the database is made on all hosts, and inserts and questions are for all shards.
    Who only looks has it not made.

    Raises:
        StoreUnavailableError: it did not answer in time; the message names host and port, never the password.
    """
    parts = urlsplit(url)
    where = f"ClickHouse at {parts.hostname}:{parts.port or 8123}"
    if parts.scheme not in ("http", "https", "clickhouse", "clickhouses") or not parts.hostname:
        raise StoreError("--clickhouse takes a URL, as in http://user:password@host:8123/spanledger")
    database = parts.path.strip("/") or DATABASE

    def open_client(silence_s: int = _SILENCE_OF_WRITES_S) -> Client:
        client = clickhouse_connect.get_client(
            host=parts.hostname,
            port=parts.port or 0,
            username=parts.username,
            password=parts.password or "",
            secure=parts.scheme in ("https", "clickhouses"),
            send_receive_timeout=silence_s,
        )
        if makes_database:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`{on_cluster(cluster)}")
        if cluster:
            put(CLUSTER_SETTINGS, client)
        client.database = database
        return client

    deadline = time.monotonic() + timeout_s
    wait_s = 0.5
    while True:
        try:
            return Store(open_client, where, open_reader=partial(open_client, _SILENCE_S))
        except ClickHouseError as error:
            if not isinstance(error, OperationalError):
                raise StoreError(f"{where} refused the connection: {_first_line(error)}") from error
            if time.monotonic() + wait_s > deadline:
                raise StoreUnavailableError(
                    f"{where} did not answer within {timeout_s:.0f} s: {_first_line(error)}; "
                    "is it running, and is --clickhouse right?"
                ) from error
            _log.warning("%s does not answer yet, trying again in %.1f s", where, wait_s)
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, 5.0)


def _code(error: Exception) -> int:
    """ClickHouse's number, 0 where the error is of somebody else."""
    found = _CODE.search(str(error))
    return getattr(error, "code", None) or (int(found[1]) if found else 0)


def _without_values(error: ClickHouseError, code: int) -> str:
    if code:
        name = _NAME.search(str(error))
        return f"code {code} ({name[1]})" if name else f"code {code}"
    if status := _HTTP_STATUS.match(str(error)):
        return f"HTTP status {status[1]}"
    return _first_line(error) if isinstance(error, OperationalError) else type(error).__name__


def _first_line(error: Exception) -> str:
    """What an error says, without the URL of its request."""
    return _URL.sub("", str(error)).splitlines()[0][:300] if str(error) else type(error).__name__
