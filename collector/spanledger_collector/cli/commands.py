"""The command ``spanledger`` and what all its commands share: settings, and how an error is told."""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from spanledger_collector.cli.demo import demo
from spanledger_collector.cli.explain import explain, whatif
from spanledger_collector.cli.import_files import import_files
from spanledger_collector.cli.migrate import migrate
from spanledger_collector.cli.prices import prices
from spanledger_collector.cli.query import query
from spanledger_collector.cli.reprice import reprice
from spanledger_collector.cli.run import run
from spanledger_collector.cli.serve import serve
from spanledger_collector.cli.sql import sql
from spanledger_collector.cli.status import status
from spanledger_collector.cli.token import token
from spanledger_collector.errors import SpanledgerError
from spanledger_collector.logs import set_up_logging

_SECTIONS = {
    "Collect": (demo, serve, run, import_files),
    "Ask": (query, explain, whatif, sql),
    "Keep": (prices, reprice, status, migrate, token),
}


class _Sections(click.Group):
    """The commands under headings, in the order in which one meets them."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """See ``click.Group``."""
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(command.name or "", command.get_short_help_str(100)) for command in commands])


@click.group(cls=_Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("spanledger"), prog_name="spanledger")
def spanledger() -> None:
    """Spans in, an honest ledger out: what every agent, team, user and task spent, and why.

    Every option is also a SPANLEDGER_* variable and a key of the YAML file that --config names.
    """


for _commands in _SECTIONS.values():
    for _command in _commands:
        spanledger.add_command(_command)


def main() -> None:
    """Run the command line; errors that are ours are told in one line, without a traceback."""
    set_up_logging()
    try:
        spanledger.main(standalone_mode=False)
    except SpanledgerError as error:
        click.echo(f"spanledger: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `spanledger query ... | head` is no error; nothing more can be written.
        sys.stderr.close()
        sys.exit(0)
