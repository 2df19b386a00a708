"""``spanledger``, the command. The commands themselves are in ``cli``."""

from __future__ import annotations

import sys

from spanledger import run


def main() -> None:
    """Run the command line; where only the app side is installed, say what is missing.

    ``run`` needs that side only.
    """
    if sys.argv[1:2] == ["run"]:
        run.main(sys.argv[2:])
        return
    try:
        from spanledger_collector.cli import commands
    except ModuleNotFoundError as error:
        # A missing module of our own is a broken install and shows as such.
        if (error.name or "").startswith("spanledger"):
            raise
        sys.exit(
            f"spanledger: the commands need the collector, and {error.name!r} is not installed.\n"
            "Install it with: pip install 'spanledger[collector]'"
        )
    commands.main()


if __name__ == "__main__":
    main()
