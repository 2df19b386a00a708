"""How many files and connections a process may have open: with too many clients the store could write nothing."""

from __future__ import annotations

import contextlib
import resource
import sys


def allow_open_files() -> None:
    """Have as many as the system allows; what a shell gives is often a thousand."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says that there is no limit, and has one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_open_files() -> int:
    """How many this process may have now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
