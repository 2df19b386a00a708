"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


def store_options(function: _Function) -> _Function:
    """``--data``, ``--clickhouse`` and ``--config``: where the ledger is."""
    for option in (
        click.option("--config", "config_file", metavar="FILE", help="YAML file with settings."),
        click.option(
            "--clickhouse",
            metavar="URL",
            help="A ClickHouse server, instead of the embedded store in --data.",
        ),
        click.option("--data", metavar="DIR", help="Data directory.  [default: ~/.local/share/spanledger]"),
    ):
        function = option(function)
    return function


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
