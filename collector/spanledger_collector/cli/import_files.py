"""``spanledger import``: OTLP files into the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import OpenerDirector, Request

import click
from rich.console import Console
from rich.progress import Progress

from spanledger_collector.access import ForbiddenError
from spanledger_collector.cli.options import prices_option, store_options
from spanledger_collector.collector import open_ledger, open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import BadInputError, StoreUnavailableError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.pipeline import Pipeline, leads_to_ledger
from spanledger_collector.price.desk import PriceDesk
from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.screen import Screen
from spanledger_collector.receive.submit import Received
from spanledger_collector.web.connection import opener

_BATCH_BYTES = 4 * 1024 * 1024
_ANSWER_TIMEOUT_S = 120

Take = Callable[[list[Received]], object]


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@prices_option
@store_options
def import_files(files: tuple[str, ...], config_file: str | None, **flags: Any) -> None:
    """Read OTLP files with traces or logs into the ledger; the same file again changes nothing.

    FILE is a raw export request (.bin, .pb), OTLP/JSON (.json), or one JSON request a line (.jsonl); each
    also .gz or .zst. A dash reads standard input.
    """
    settings = load_settings(config_file, **flags)
    missing = [name for name in files if name != "-" and not Path(name).is_file()]
    if missing:
        raise BadInputError(f"{missing[0]}: there is no such file")
    screen = Screen.of(settings)
    spans = rejected = 0
    with opened(settings) as take, Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=len(files))
        for name in files:
            progress.update(task, description=f"importing {Path(name).name}")
            for batch in _batches(name):
                rejected += sum(_screened(screen, received, name) for received in batch)
                take(batch)
                spans += sum(received.spans for received in batch)
            progress.advance(task)
    left_out = f", {rejected} left out" if rejected else ""
    click.echo(f"imported {spans} spans from {len(files)} file{'s' if len(files) != 1 else ''}{left_out}", err=True)


@contextmanager
def opened(settings: Settings) -> Iterator[Take]:
    """What takes requests: the collector that holds the data directory, else a pipeline in this process."""
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            connection = opener(settings.token.get_secret_value(), found.certificate)
            yield partial(_send, connection, found.otlp_http)
        else:
            desk = PriceDesk(found, settings.prices, settings.newer_price_list)
            pipeline = Pipeline(open_ledger(settings, found), desk.load())
            yield lambda batch: pipeline.process([r.body for r in batch if leads_to_ledger(r.body)])


def _batches(name: str) -> Iterator[list[Received]]:
    batch: list[Received] = []
    for received in read_requests(name):
        batch.append(received)
        if sum(r.size_bytes for r in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _screened(screen: Screen, received: Received, name: str) -> int:
    """Do to a request what the entrances do; returns how many spans or log records were left out."""
    outcome = screen.apply(received)
    if outcome.message:
        click.echo(f"{name}: {outcome.message}", err=True)
    return outcome.rejected


def _send(connection: OpenerDirector, otlp_http: str, batch: list[Received]) -> None:
    for received in batch:
        message = Request(  # noqa: S310 - the address is the collector's own announcement
            f"{otlp_http}/v1/{received.signal}",
            data=received.body.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
        try:
            while not _taken(connection, message):
                pass
        except HTTPError as error:
            if error.code in (401, 403):
                raise ForbiddenError(
                    f"the collector at {otlp_http} takes spans only with a token that may send (HTTP {error.code}); "
                    "give one in SPANLEDGER_TOKEN"
                ) from None
            raise BadInputError(f"the collector at {otlp_http} refused a request (HTTP {error.code})") from None
        except OSError as error:
            raise StoreUnavailableError(f"the collector at {otlp_http} did not answer: {error}") from None


def _taken(connection: OpenerDirector, message: Request) -> bool:
    """Send a request; a collector that has no room says how long to wait, and that is waited."""
    try:
        with connection.open(message, timeout=_ANSWER_TIMEOUT_S):
            return True
    except HTTPError as error:
        if error.code != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        time.sleep(float(error.headers.get("Retry-After") or 1))
        return False
