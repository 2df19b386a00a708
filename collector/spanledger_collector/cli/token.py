"""``spanledger token``: tokens for those who send spans and read answers."""

from __future__ import annotations

import click

from spanledger_collector.access import USES, Grant, Use, new_token


@click.group(short_help="Make tokens that let clients in.")
def token() -> None:
    """Tokens that let clients in; the collector keeps their hashes in the YAML file of the setting ``tokens``."""


@token.command(short_help="Make a token, shown once, and the line for the tokens file.")
@click.option("--team", default="", metavar="NAME", help="Book all that it sends on this team; read this team only.")
@click.option("--environment", default="", metavar="NAME", help="Book all that it sends on this environment.")
@click.option(
    "--may",
    type=click.Choice(USES),
    multiple=True,
    default=("send",),
    show_default=True,
    help="send OTLP, read answers, or manage: change prices and the like. May be given more than once.",
)
def new(team: str, environment: str, may: tuple[Use, ...]) -> None:
    """Make a token: it goes to standard output, once; the line for the tokens file goes beside it."""
    made, line = new_token(Grant(team, environment, tuple(use for use in USES if use in may)))
    click.echo("the token, shown this once:", err=True)
    click.echo(made)
    click.echo(f"the line for the tokens file (--tokens FILE or SPANLEDGER_TOKENS):\n{line}", err=True)
    if "send" in may:
        click.echo("apps send it with: OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN", err=True)
