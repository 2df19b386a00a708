"""``spanledger serve``: the collector, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import click

from spanledger_collector.cli.options import address_options, store_options
from spanledger_collector.config import Settings, load_settings

from spanledger_collector.collector import Collector, open_store

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@store_options
@address_options
def serve(config_file: str | None, **flags: Any) -> None:
    """Run the collector: OTLP in, ledger, API and page. SIGTERM writes what was taken and ends it."""
    run_collector(load_settings(config_file, **flags), _announce)


def run_collector(settings: Settings, when_started: Callable[[Collector, Settings], Awaitable[None]]) -> None:
    """Run a collector until a stop signal; ``when_started`` runs beside it once everything listens.

    Raises:
        SpanledgerError: the collector could not start; or what ``when_started`` raised, after a stop in order.
    """
    with open_store(settings) as store:
        asyncio.run(_run(Collector(settings, store), settings, when_started))


async def _run(
    collector: Collector, settings: Settings, when_started: Callable[[Collector, Settings], Awaitable[None]]
) -> None:
    stopped = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await collector.start()
    try:
        # A stop signal ends what was started beside the collector, too.
        beside = asyncio.ensure_future(when_started(collector, settings))
        stopping = asyncio.ensure_future(stopped.wait())
        await asyncio.wait({beside, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if beside.done():
            beside.result()
            await stopping
        else:
            beside.cancel()
    finally:
        await collector.stop()


async def _announce(collector: Collector, settings: Settings) -> None:
    click.echo(where_to_look(collector, settings))


def where_to_look(collector: Collector, settings: Settings) -> str:
    """The addresses and the data directory, a line each."""
    return "\n".join(
        (
            f"OTLP/gRPC  {collector.otlp_grpc}",
            f"OTLP/HTTP  {collector.otlp_http_url}",
            f"page, API  {collector.api_url}",
            f"data       {settings.clickhouse and 'ClickHouse server' or settings.data}",
        )
    )
