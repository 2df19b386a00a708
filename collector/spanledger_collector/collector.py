"""A running collector: the store, the pipeline, the OTLP entrances and the API, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from spanledger_collector.access import Access, Grant, load_access
from spanledger_collector.compiled import missing
from spanledger_collector.config import Address, Settings
from spanledger_collector.errors import DataDirectoryHeldError
from spanledger_collector.export.cluster import LOCAL, on_cluster
from spanledger_collector.export.data_directory import DataDirectory, Holder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.retention import apply_retention
from spanledger_collector.export.roll_up import RollUps
from spanledger_collector.export.seen import SeenKeys
from spanledger_collector.export.status import status_of, unknown_status
from spanledger_collector.export.store import Store, open_embedded, open_server, sync_inserts
from spanledger_collector.forward import Stage, Staging, forwarding_of, goes_on
from spanledger_collector.journal import (
    BatchLimits,
    Bounds,
    Consumer,
    DeadLetters,
    Entry,
    Intake,
    Journal,
    OutgoingBounds,
    ReadYourWrites,
    Request,
    show_depth,
    told,
)
from spanledger_collector.pipeline import LedgerRequest, Pipeline, Processed, leads_to_ledger
from spanledger_collector.price.desk import PriceDesk
from spanledger_collector.receive.entrance import Entrance
from spanledger_collector.receive.redact import redaction_of
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.serve import HttpServer, OtlpServers
from spanledger_collector.receivers import Receivers
from spanledger_collector.receivers.counts import SharedRegistry
from spanledger_collector.web.api import create_app
from spanledger_collector.web.health import StoreProbe, state_of

_log = logging.getLogger(__name__)

JOURNAL_FILE = "journal.db"
DEAD_LETTER_FOLDER = "dead_letter"

_SWITCH_INTERVAL_S = 0.001
"""How long a thread that computes may keep the interpreter from another. A request asks for it several times, each
after a call of the system: with Python's own 5 ms, small ones are answered at less than half the pace beside a ledger
that computes."""


@contextmanager
def open_store(settings: Settings, *, only_looks: bool = False) -> Iterator[Store]:
    """The store that the settings name, migrated; the embedded one is locked for this process while it is open.

    For who ``only_looks`` it is as it was found: nothing is migrated, and no database is made.

    Raises:
        DataDirectoryHeldError: another process holds the data directory.
        StoreUnavailableError: the ClickHouse server does not answer.
    """
    directory = None
    if settings.clickhouse:
        store = open_server(
            settings.clickhouse,
            settings.cluster,
            timeout_s=settings.connect_timeout_s,
            makes_database=not only_looks,
        )
    else:
        directory = DataDirectory(settings.data)
        directory.acquire()
        store = open_embedded(directory.store_path, settings.question_memory_bytes)
    try:
        if not only_looks:
            migrate(store, settings.cluster)
            if not settings.clickhouse:
                # A server's own settings say what its inserts survive: replicas serve the same end.
                sync_inserts(store)
        yield store
    finally:
        store.close()
        if directory is not None:
            directory.release()


@contextmanager
def open_store_or_find_holder(settings: Settings, *, only_looks: bool = False) -> Iterator[Store | Holder]:
    """For the commands: the store, or, where a running collector holds the data directory, where that one answers.

    One that writes to another ClickHouse server than the settings name is no answer. The embedded store is given what
    a collector that was killed has left first, but for who ``only_looks``.

    Raises:
        DataDirectoryHeldError: another process holds the directory and answers nowhere.
        StoreUnavailableError: the ClickHouse server does not answer.
    """
    beside = DataDirectory(settings.data).held_by() if settings.clickhouse else None
    if beside is not None and beside.api and beside.server == settings.server:
        yield beside
        return
    with ExitStack() as stack:
        found: Store | Holder
        try:
            found = stack.enter_context(open_store(settings, only_looks=only_looks))
            if not (only_looks or settings.clickhouse):
                process_leftovers(settings, found)
        except DataDirectoryHeldError:
            holder = DataDirectory(settings.data).holder()
            if holder is None or not holder.api:
                raise
            found = holder
        yield found


def open_ledger(settings: Settings, store: Store) -> Ledger:
    """The ledger in ``store``; only the embedded one is written by this process alone."""
    return Ledger(store, None if settings.clickhouse else SeenKeys(store))


def open_journal(settings: Settings) -> Journal:
    """The journal in the data directory, whichever the store is.

    Raises:
        DataDirectoryHeldError: another collector has it.
        JournalDamagedError: it cannot be read.
    """
    bounds = Bounds(settings.journal_max_bytes, settings.journal_max_age_s, settings.min_free_bytes)
    outgoing = OutgoingBounds(settings.forward.max_bytes, settings.forward.max_age_s)
    return Journal(settings.data / JOURNAL_FILE, bounds, outgoing=outgoing)


def journal_consumer(settings: Settings, journal: Journal, pipeline: Pipeline, stage: Stage | None) -> Consumer:
    """What takes requests from ``journal`` through ``pipeline``, and to ``stage`` those that are to be forwarded."""

    def begin(entries: Sequence[Entry]) -> Future[Processed]:
        settled = partial(stage, entries, [entry.request.parse() for entry in entries]) if stage else None
        return pipeline.begin([request for entry in entries for request in _for_ledger(entry.request)], settled)

    limits = BatchLimits(settings.batch_spans, settings.batch_bytes, settings.batch_wait_ms / 1000)
    return Consumer(journal, begin, dead_letters_of(settings), limits)


def dead_letters_of(settings: Settings) -> DeadLetters:
    """Requests of this data directory that could not be processed."""
    return DeadLetters(settings.data / DEAD_LETTER_FOLDER)


def _for_ledger(request: Request) -> Iterator[LedgerRequest]:
    if request.signal == "traces":
        # As protobuf wrote them: the decoder needs no message of them.
        yield request.body
    elif leads_to_ledger(parsed := request.parse()):
        yield parsed


def process_leftovers(settings: Settings, store: Store) -> None:
    """Take to the store what a collector that was killed had acknowledged and left in its journal."""
    if not (settings.data / JOURNAL_FILE).exists():
        return
    journal = open_journal(settings)
    try:
        if journal.depth.entries:
            desk = PriceDesk(store, settings.prices, settings.newer_price_list)
            pipeline = Pipeline(open_ledger(settings, store), desk.load())
            stage = Staging(journal, redaction_of(settings)).stage if journal.outbox.is_on else None
            consumer = journal_consumer(settings, journal, pipeline, stage)
            consumer.start()
            consumer.stop(drain_s=math.inf)
    finally:
        journal.close()


class Collector:
    """Everything ``spanledger serve`` runs, in one event loop."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._ready = False
        held_by = (LOCAL if settings.cluster else "", on_cluster(settings.cluster))
        apply_retention(store, settings.retention_days, *held_by)
        self._roll_ups = RollUps(store, *held_by)
        desk = PriceDesk(store, settings.prices, settings.newer_price_list)
        pipeline = Pipeline(open_ledger(settings, store), desk.load())
        desk.use = pipeline.use
        # With the embedded store it is held already.
        self._directory = DataDirectory(settings.data) if settings.clickhouse else None
        if self._directory:
            self._directory.acquire()
        self._journal = open_journal(settings)
        self._forwarding = forwarding_of(self._journal, settings.forward, redaction_of(settings))
        stage = self._forwarding.stage if self._forwarding else None
        self._consumer = journal_consumer(settings, self._journal, pipeline, stage)
        wanted = goes_on if self._forwarding else leads_to_ledger
        self._intake = Intake(
            self._journal,
            wanted=wanted,
            arrived=self._consumer.arrived,
            max_pending_bytes=settings.max_pending_bytes,
        )
        show_depth(self._journal)
        self._store_probe = StoreProbe(store)
        self.reading = ReadYourWrites(store, self._consumer.catch_up)
        """The store for questions: an answer holds all that was acknowledged before."""
        self._grpc = Address.parse(settings.otlp_grpc)
        self._http = Address.parse(settings.otlp_http)
        self._api = Address.parse(settings.api)
        access = load_access(settings.tokens)
        self.token_to_send = access.issue(Grant(may=("send",)))
        """For spans of a process that this one starts, good for as long as this one runs; '' without tokens."""
        registry = SharedRegistry()
        self._otlp_servers = (
            Receivers(settings, access, self._intake, wanted, registry)
            if settings.receivers
            else OtlpServers(
                Entrance(self._intake, access, Screen.of(settings)),
                self._grpc,
                self._http,
                max_request_bytes=settings.max_request_bytes,
                max_pending_bytes=settings.max_pending_bytes,
                certificate=settings.certificate,
            )
        )
        app = create_app(
            self.reading,
            health=self.health,
            registry=registry,
            access=access,
            desk=desk,
            status=self.status,
            for_this_machine=self._api.is_loopback,
        )
        self._api_server = HttpServer(
            app, self._api.host, self._api.port, flag="--api", certificate=settings.certificate
        )
        for warning in filter(None, (*_openness(settings, access), missing())):
            _log.warning(warning)

    @property
    def otlp_grpc(self) -> Address:
        """Where OTLP/gRPC is served; the real port after ``start``."""
        return Address(self._grpc.host, self._otlp_servers.grpc_port)

    @property
    def otlp_http_url(self) -> str:
        """Where OTLP/HTTP is served; the real port after ``start``."""
        return f"{self._scheme}://{Address(self._http.host, self._otlp_servers.http_port)}"

    @property
    def api_url(self) -> str:
        """Where the page and the API are served; the real port after ``start``."""
        return f"{self._scheme}://{Address(self._api.host, self._api_server.port)}"

    @property
    def _scheme(self) -> str:
        return "http" if self._settings.certificate is None else "https"

    def health(self) -> dict[str, Any]:
        """What ``/readyz`` answers."""
        return state_of(
            {
                "listeners": lambda: "ok" if self._ready and self._otlp_servers.all_listen else "down",
                "journal": lambda: "ok" if self._intake.has_room and self._journal.disk_has_room else "full",
                "consumer": lambda: "ok" if self._consumer.is_alive else "dead",
                "store": self._store_probe,
            }
        )

    def status(self) -> dict[str, Any]:
        """What ``/api/status`` answers: ``export.status.status_of``, and what waits for the store, the target or us."""
        # A server that hangs would be waited for, and nothing be told of what waits for it meanwhile.
        said = self._store_probe() if self._settings.clickhouse else "ok"
        return {
            **(status_of(self._store) if said == "ok" else unknown_status(f"the ClickHouse server is {said}")),
            "journal": told(self._journal.depth),
            "forward": self._forwarding.status() if self._forwarding else None,
            "dead_letters": dead_letters_of(self._settings).count,
        }

    async def start(self) -> None:
        """Start what answers before what takes in.

        Raises:
            AddressUnavailableError: an address cannot be listened on.
            ForwardsToItselfError: the forward target is one of them.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._consumer.start()
        try:
            await self._api_server.start()
            try:
                await self._start_in_and_out()
            except BaseException:
                await self._api_server.stop()
                raise
        except BaseException:
            await self._stop_processing()
            raise
        certificate = str(self._settings.tls_cert.absolute()) if self._settings.tls_cert else ""
        holder = Holder.here(self.api_url, self.otlp_http_url, certificate, self._settings.server)
        DataDirectory(self._settings.data).announce(holder)
        self._roll_ups.start()
        self._ready = True

    async def _start_in_and_out(self) -> None:
        await self._otlp_servers.start()
        if self._forwarding:
            try:
                http = Address(self._http.host, self._otlp_servers.http_port)
                await asyncio.to_thread(self._forwarding.start, (self.otlp_grpc, http))
            except BaseException:
                await self._otlp_servers.stop()
                raise

    async def stop(self) -> None:
        """Take no more in, write what was taken as far as there is time, then stop answering."""
        self._ready = False
        await self._otlp_servers.stop()
        await self._stop_processing()
        await self._api_server.stop()

    async def _stop_processing(self) -> None:
        await self._intake.stop()
        stop_at_s = time.monotonic() + self._settings.drain_s
        await asyncio.to_thread(self._consumer.stop, self._settings.drain_s)
        if self._forwarding:
            await asyncio.to_thread(self._forwarding.stop, max(0.0, stop_at_s - time.monotonic()))
        await asyncio.to_thread(self._roll_ups.stop)
        self._journal.close()
        if self._directory:
            self._directory.release()


def _openness(settings: Settings, access: Access) -> list[str]:
    """What an operator should know of listeners that more than this machine reaches."""
    listeners = {"--otlp-grpc": settings.otlp_grpc, "--otlp-http": settings.otlp_http, "--api": settings.api}
    outside = [f"{flag} {text}" for flag, text in listeners.items() if not Address.parse(text).is_loopback]
    if not outside:
        return []
    where = ", ".join(outside)
    if not access.closed:
        return [
            f"OPEN TO THE NETWORK: {where} is not loopback and no token is set, so that everybody who reaches it can "
            "send spans and read the ledger; set --tokens FILE (see `spanledger token new`), or listen on 127.0.0.1"
        ]
    if settings.certificate is None:
        return [f"tokens and spans travel unencrypted to {where}; set --tls-cert and --tls-key, or put TLS in front"]
    return []
