"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


def store_options(function: _Function) -> _Function:
    """``--data``, ``--clickhouse``, ``--cluster`` and ``--config``: where the ledger is."""
    for option in (
        click.option("--config", "config_file", metavar="FILE", help="YAML file with settings."),
        click.option(
            "--cluster",
            metavar="NAME",
            help="A cluster of that server: replicated tables on its hosts, distributed ones before them.",
        ),
        click.option(
            "--clickhouse",
            metavar="URL",
            help="A ClickHouse server, instead of the embedded store in --data.",
        ),
        click.option("--data", metavar="DIR", help="Data directory.  [default: ~/.local/share/spanledger]"),
    ):
        function = option(function)
    return function


def closing_options(function: _Function) -> _Function:
    """``--tokens``, ``--tls-cert`` and ``--tls-key``: who gets in, and over what."""
    for name, what in (
        ("--tls-key", "Private key (PEM) of --tls-cert."),
        ("--tls-cert", "Certificate chain (PEM); all listeners speak TLS."),
        ("--tokens", "YAML file of tokens; without one, everybody gets in. See: spanledger token new."),
    ):
        function = click.option(name, metavar="FILE", help=what)(function)
    return function


def forward_option(function: _Function) -> _Function:
    """``--forward``: another back end that gets all that comes in."""
    return click.option(
        "--forward",
        metavar="URL",
        callback=lambda _context, _option, url: url and {"url": url},
        help="Send spans and logs on, priced: http[s]://HOST[:PORT][/BASE] or grpc[s]://HOST:PORT.",
    )(function)


def receivers_option(function: _Function) -> _Function:
    """``--receivers``: how many processes receive."""
    return click.option(
        "--receivers",
        type=click.IntRange(0),
        metavar="N",
        help="Processes that receive OTLP, beside the one with the ledger.  [default: 0, it receives itself]",
    )(function)


def prices_option(function: _Function) -> _Function:
    """``--prices``: what an operator lays over the price catalogue."""
    return click.option("--prices", metavar="FILE", help="YAML file with prices of your own.")(function)


def address_options(function: _Function) -> _Function:
    """``--otlp-grpc``, ``--otlp-http`` and ``--api``: where to listen."""
    for name, default, what in (
        ("--api", "127.0.0.1:8600", "The page and the API."),
        ("--otlp-http", "127.0.0.1:4318", "OTLP over HTTP."),
        ("--otlp-grpc", "127.0.0.1:4317", "OTLP over gRPC."),
    ):
        text = f"{what} Port 0 picks a free one.  [default: {default}]"
        function = click.option(name, metavar="HOST:PORT", help=text)(function)
    return function
