"""Starting the demo's app as a process of its own, as a user's app would be."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

from spanledger_collector.errors import PermanentError

TASKS_PER_AGENT = 4
FIRST_TASK = 101
"""The number of each agent's first task; a later run goes on from where the one before ended."""
STDERR_LINES_SHOWN = 15
TOKEN_VARIABLE = "SPANLEDGER_TOKEN"  # noqa: S105 - the name of a variable


class DemoFailedError(PermanentError):
    """The demo's app could not start, or ended with an error; the message ends with what it said last."""


def require_sdks() -> None:
    """Check that both vendors' SDKs are installed.

    Raises:
        DemoFailedError: one is missing; the message says how to install it.
    """
    missing = [name for name in ("openai", "anthropic") if find_spec(name) is None]
    if missing:
        raise DemoFailedError(f"the demo's agents need {' and '.join(missing)}: pip install 'spanledger[demo]'")


def run_app(
    otlp_endpoint: str, *, token: str = "", tasks_per_agent: int = TASKS_PER_AGENT, first_task: int = FIRST_TASK
) -> None:
    """Run the demo's agents in a process of their own, and return when it has ended and sent its spans.

    ``otlp_endpoint`` is an OTLP/HTTP base address such as ``http://127.0.0.1:4318``; ``token`` lets it in there.

    Raises:
        DemoFailedError: an SDK is missing, or the process failed.
    """
    require_sdks()
    command = [sys.executable, "-m", "spanledger_collector.demo.app", "--otlp-endpoint", otlp_endpoint]
    command += ["--tasks-per-agent", str(tasks_per_agent), "--first-task", str(first_task)]
    ended = subprocess.run(  # noqa: S603 - our own module, our own interpreter
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # Not among the arguments, which everybody on the machine can read.
        env={**os.environ, TOKEN_VARIABLE: token},
    )
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").splitlines()[-STDERR_LINES_SHOWN:]
        raise DemoFailedError("\n".join([f"the demo's app ended with exit code {ended.returncode}", *said]))
