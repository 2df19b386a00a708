"""``spanledger serve``: the collector, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import click

from spanledger_collector.cli.options import (
    address_options,
    closing_options,
    forward_option,
    prices_option,
    receivers_option,
    store_options,
)
from spanledger_collector.collector import Collector, open_store
from spanledger_collector.config import Settings, load_settings, unknown_variables
from spanledger_collector.export.store import Store
from spanledger_collector.garbage import expect_batches
from spanledger_collector.logs import set_up_logging
from spanledger_collector.open_files import allow_open_files

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = logging.getLogger(__name__)

_STOP_WITHIN_S = 10.0
"""What a stop takes beyond ``drain_s`` at the most: a server that hangs may not answer for minutes."""

Beside = Callable[[Collector], Awaitable[None]]
"""What runs beside a collector that listens."""


@click.command()
@prices_option
@forward_option
@store_options
@address_options
@receivers_option
@closing_options
@click.option("--log-format", type=click.Choice(("text", "json")), help="The log's form.  [default: text]")
def serve(config_file: str | None, **flags: Any) -> None:
    """Run the collector: OTLP in, ledger, API and page. SIGTERM writes what was taken and ends it."""
    settings = load_settings(config_file, **flags)
    set_up_logging(settings.log_format)
    if unknown := unknown_variables(os.environ):
        _log.warning("these variables name no setting and change nothing: %s", ", ".join(unknown))

    async def announce(collector: Collector) -> None:
        click.echo(where_to_look(collector, settings))

    run_collector(settings, announce)


def run_collector(settings: Settings, beside: Beside, *, stay: bool = True) -> None:
    """Run a collector until a stop signal, or with ``stay=False`` until ``beside`` is done.

    Raises:
        SpanledgerError: the collector could not start; or what ``beside`` raised, after a stop in order.
    """
    allow_open_files()
    patience = threading.Timer(min(settings.drain_s + _STOP_WITHIN_S, threading.TIMEOUT_MAX), _end_at_once)
    patience.daemon = True
    try:
        with open_store(settings) as store:
            asyncio.run(_run(settings, store, beside, stay, patience))
    finally:
        patience.cancel()


def _end_at_once() -> None:
    _log.warning("the store does not answer, and the stop takes too long: it ends here; what waits is in the journal")
    logging.shutdown()
    os._exit(1)  # as after kill -9, the next start goes on where this one was


async def _run(settings: Settings, store: Store, beside: Beside, stay: bool, patience: threading.Timer) -> None:
    stopped = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    collector = Collector(settings, store)
    await collector.start()
    expect_batches()
    try:
        work = asyncio.ensure_future(beside(collector))
        stopping = asyncio.ensure_future(stopped.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            return
        work.result()
        if stay:
            await stopping
        else:
            stopping.cancel()
    finally:
        patience.start()
        await collector.stop()


def where_to_look(collector: Collector, settings: Settings) -> str:
    """The addresses and the data directory, a line each."""
    forward = (f"forward    {settings.forward.url}",) if settings.forward.url else ()
    return "\n".join(
        (
            f"OTLP/gRPC  {collector.otlp_grpc}",
            f"OTLP/HTTP  {collector.otlp_http_url}",
            f"page, API  {collector.api_url}",
            *forward,
            f"data       {'ClickHouse server' if settings.clickhouse else settings.data}",
        )
    )
