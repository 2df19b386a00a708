"""``spanledger run -- python app.py``: traces a program, and the Python programs that it starts, as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

USAGE = """Usage: spanledger run [--] COMMAND [ARGUMENT]...

Run a Python program with its LLM calls and tools traced, without a change of code: a script, python -m, gunicorn, ...
Spans go where the OTEL_* variables say, by default to the collector on this machine.
"""

INJECTED = Path(__file__).parent / "inject"
NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit codes, as shells give them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Become the command that ``arguments`` (None: of this process) name; its exit code is that of the process."""
    command = list(sys.argv[1:] if arguments is None else arguments)
    if command[:1] in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return
    if command[:1] == ["--"]:
        del command[0]
    if not command or command[0].startswith("-"):
        sys.stderr.write(USAGE)
        sys.exit(2)
    try:
        _become(command, _environment())
    except FileNotFoundError:
        sys.stderr.write(f"spanledger: there is no command {command[0]!r}\n")
        sys.exit(NOT_FOUND)
    except PermissionError:
        sys.stderr.write(f"spanledger: {command[0]!r} cannot be executed; for a script, name its Python, too\n")
        sys.exit(NOT_EXECUTABLE)


def _environment() -> dict[str, str]:
    others = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    paths = [str(INJECTED), *(entry for entry in others if entry != str(INJECTED))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _become(command: list[str], environment: dict[str, str]) -> None:
    if sys.platform == "win32":
        # There, a process that replaces another does not wait for it.
        import subprocess

        sys.exit(subprocess.call(command, env=environment))  # noqa: S603 - the caller's own command
    os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
