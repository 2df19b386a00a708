"""``spanledger import``: OTLP trace files into the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import click
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.progress import Progress

from spanledger_collector.cli.options import store_options
from spanledger_collector.collector import open_store_or_find_holder
from spanledger_collector.config import Settings, load_settings
from spanledger_collector.errors import BadInputError, StoreUnavailableError
from spanledger_collector.export.data_directory import Holder
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.files import read_requests

_BATCH_BYTES = 4 * 1024 * 1024
_ANSWER_TIMEOUT_S = 120

Take = Callable[[list[ExportTraceServiceRequest]], object]


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@store_options
def import_files(files: tuple[str, ...], config_file: str | None, **flags: Any) -> None:
    """Read OTLP trace files into the ledger; the same file again changes nothing.

    FILE is a raw ExportTraceServiceRequest (.bin, .pb), OTLP/JSON (.json), or one JSON request a line (.jsonl); each
    also .gz or .zst. A dash reads standard input.
    """
    settings = load_settings(config_file, **flags)
    missing = [name for name in files if name != "-" and not Path(name).is_file()]
    if missing:
        raise BadInputError(f"{missing[0]}: there is no such file")
    console = Console(stderr=True)
    spans = 0
    with opened(settings) as take, Progress(console=console, transient=True) as progress:
        task = progress.add_task("importing", total=len(files))
        for name in files:
            progress.update(task, description=f"importing {Path(name).name}")
            for batch, batch_spans in _batches(name):
                take(batch)
                spans += batch_spans
            progress.advance(task)
    click.echo(f"imported {spans} spans from {len(files)} file{'s' if len(files) != 1 else ''}", err=True)


@contextmanager
def opened(settings: Settings) -> Iterator[Take]:
    """What takes requests: the collector that holds the data directory, else a pipeline in this process."""
    with open_store_or_find_holder(settings) as found:
        if isinstance(found, Holder):
            yield partial(_send, found.otlp_http)
        else:
            yield Pipeline(Ledger(found), Catalogue.load()).process


def _batches(name: str) -> Iterator[tuple[list[ExportTraceServiceRequest], int]]:
    batch: list[ExportTraceServiceRequest] = []
    size_bytes = spans = 0
    for received in read_requests(name):
        batch.append(received.body)
        size_bytes += received.size_bytes
        spans += sum(len(s.spans) for r in received.body.resource_spans for s in r.scope_spans)
        if size_bytes >= _BATCH_BYTES:
            yield batch, spans
            batch, size_bytes, spans = [], 0, 0
    if batch:
        yield batch, spans


def _send(otlp_http: str, requests: list[ExportTraceServiceRequest]) -> None:
    # The collector is this machine's: a proxy set for the internet is not asked.
    opener = build_opener(ProxyHandler({}))
    for request in requests:
        message = Request(  # noqa: S310 - the address is the collector's own announcement
            f"{otlp_http}/v1/traces",
            data=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
        try:
            with opener.open(message, timeout=_ANSWER_TIMEOUT_S):
                pass
        except HTTPError as error:
            raise BadInputError(f"the collector at {otlp_http} refused a request (HTTP {error.code})") from None
        except OSError as error:
            raise StoreUnavailableError(f"the collector at {otlp_http} did not answer: {error}") from None
