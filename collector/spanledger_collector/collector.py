"""A running collector: the store, the pipeline, the OTLP entrances and the API, started and stopped in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from spanledger_collector.batcher import Batcher
from spanledger_collector.config import Address, Settings
from spanledger_collector.errors import DataDirectoryHeldError
from spanledger_collector.export.data_directory import DataDirectory, Holder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded, open_server
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.serve import HttpServer, OtlpServers
from spanledger_collector.web.api import create_app


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store that the settings name, migrated; the embedded one is locked for this process while it is open.

    Raises:
        DataDirectoryHeldError: another process holds the data directory.
        StoreUnavailableError: the ClickHouse server does not answer.
    """
    directory = None
    if settings.clickhouse:
        store = open_server(settings.clickhouse, timeout_s=settings.connect_timeout_s)
    else:
        directory = DataDirectory(settings.data)
        directory.acquire()
        store = open_embedded(directory.store_path)
    try:
        migrate(store)
        yield store
    finally:
        store.close()
        if directory is not None:
            directory.release()


@contextmanager
def open_store_or_find_holder(settings: Settings) -> Iterator[Store | Holder]:
    """For the commands: the store, or, where a running collector holds the data directory, where that one answers.

    Raises:
        DataDirectoryHeldError: another process holds the directory and answers nowhere.
        StoreUnavailableError: the ClickHouse server does not answer.
    """
    with ExitStack() as stack:
        found: Store | Holder
        try:
            found = stack.enter_context(open_store(settings))
        except DataDirectoryHeldError:
            holder = DataDirectory(settings.data).holder()
            if holder is None or not holder.api:
                raise
            found = holder
        yield found


class Collector:
    """Everything ``spanledger serve`` runs, in one event loop."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._ready = False
        pipeline = Pipeline(Ledger(store), Catalogue.load())
        self._batcher = Batcher(
            pipeline.process,
            batch_spans=settings.batch_spans,
            batch_wait_ms=settings.batch_wait_ms,
            max_pending_bytes=settings.max_pending_bytes,
        )
        self._grpc = Address.parse(settings.otlp_grpc)
        self._http = Address.parse(settings.otlp_http)
        self._api = Address.parse(settings.api)
        self._otlp_servers = OtlpServers(
            self._batcher, self._grpc, self._http, max_request_bytes=settings.max_request_bytes
        )
        app = create_app(store, health=self.health)
        self._api_server = HttpServer(app, self._api.host, self._api.port, flag="--api")

    @property
    def otlp_grpc(self) -> Address:
        """Where OTLP/gRPC is served; the real port after ``start``."""
        return Address(self._grpc.host, self._otlp_servers.grpc_port)

    @property
    def otlp_http_url(self) -> str:
        """Where OTLP/HTTP is served; the real port after ``start``."""
        return f"http://{Address(self._http.host, self._otlp_servers.http_port)}"

    @property
    def api_url(self) -> str:
        """Where the page and the API are served; the real port after ``start``."""
        return f"http://{Address(self._api.host, self._api_server.port)}"

    def health(self) -> dict[str, Any]:
        """What ``/readyz`` answers."""
        return {"ready": self._ready}

    async def start(self) -> None:
        """Start what answers before what takes in.

        Raises:
            AddressUnavailableError: an address cannot be listened on.
        """
        await self._batcher.start()
        try:
            await self._api_server.start()
            try:
                await self._otlp_servers.start()
            except BaseException:
                await self._api_server.stop()
                raise
        except BaseException:
            await self._batcher.stop()
            raise
        if not self._settings.clickhouse:
            DataDirectory(self._settings.data).announce(Holder.here(self.api_url, self.otlp_http_url))
        self._ready = True

    async def stop(self) -> None:
        """Take no more in, write what was taken, then stop answering."""
        self._ready = False
        await self._otlp_servers.stop()
        await self._batcher.stop()
        await self._api_server.stop()
