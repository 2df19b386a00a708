"""Stores for the tests here, one of a kind for each module: chDB opens one directory per process at a time.

``SPANLEDGER_TEST_CLICKHOUSE=http://user:password@host:8123`` names a ClickHouse server for the tests of one; without it
they start one in Docker, and skip where there is none. Each module makes a database of its own and drops it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from spanledger_collector.export import migrate as migrating
from spanledger_collector.export.retention import TIME_COLUMNS
from spanledger_collector.export.store import Store, open_embedded, open_server

CHDB_OVER_HTTP = Path(__file__).with_name("chdb_over_http.py")


@contextmanager
def migrated(store: Store) -> Iterator[Store]:
    """The store with its tables, closed at the end."""
    try:
        migrating.migrate(store)
        yield store
    finally:
        store.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated embedded store in a fresh directory."""
    with migrated(open_embedded(tmp_path_factory.mktemp("store"))) as store:
        yield store


def migrate_to(number: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the store as the version left it whose newest migration had this number."""
    known = [migration for migration in migrating.migrations() if migration[0] <= number]
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "migrations", lambda: known)
        assert migrating.migrate(store)[-1] == number


@contextmanager
def chdb_server(directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """ChDB in a process of its own, and where it is reached as a server is; the database may not be there yet."""
    command = [sys.executable, str(CHDB_OVER_HTTP), str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/spanledger", process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated store as a server's is reached, with chDB behind it in a process of its own."""
    with (
        chdb_server(tmp_path_factory.mktemp("store")) as (url, _),
        migrated(open_server(url, timeout_s=30)) as store,
    ):
        yield store


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A ClickHouse server: the one that is named, or one in Docker."""
    if named := os.environ.get("SPANLEDGER_TEST_CLICKHOUSE"):
        yield named.rstrip("/")
        return
    clickhouse = pytest.importorskip(
        "testcontainers.clickhouse", reason="needs testcontainers, to start a ClickHouse server in Docker"
    )
    import docker

    try:
        docker.from_env().ping()
    except docker.errors.DockerException:
        pytest.skip("needs a ClickHouse server: SPANLEDGER_TEST_CLICKHOUSE, or a running Docker to start one")
    with clickhouse.ClickHouseContainer("clickhouse/clickhouse-server:25.8") as server:
        address = f"{server.get_container_host_ip()}:{server.get_exposed_port(8123)}"
        yield f"http://{server.username}:{server.password}@{address}"


@pytest.fixture(scope="module")
def server(server_url: str) -> Iterator[Store]:
    """A migrated store in a database of its own on a ClickHouse server."""
    database = f"spanledger_test_{uuid4().hex}"
    with migrated(open_server(f"{server_url}/{database}", timeout_s=60)) as store:
        yield store
        store.command(f"DROP DATABASE {database}")


@pytest.fixture
def store(embedded: Store) -> Store:
    """The module's embedded store with empty tables."""
    return emptied(embedded)


@pytest.fixture(params=["embedded", "over_http", "server"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store in turn, with empty tables."""
    return emptied(request.getfixturevalue(request.param))


def emptied(store: Store) -> Store:
    """The store without rows of the ledger."""
    for table in (*TIME_COLUMNS, "rolled_period"):
        store.command(f"TRUNCATE TABLE {table}")
    return store


@pytest.fixture
def corpus() -> Path:
    """The folder with the captured spans."""
    return Path(__file__).parents[1] / "corpus"
