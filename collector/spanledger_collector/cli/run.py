"""``spanledger run``: needs the app side only, so ``__main__`` runs it before any of this is imported."""

from __future__ import annotations

import click

from spanledger import run as app_side


@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run a Python program with its LLM calls and tools traced, without a change of code."""
    app_side.main(command)
