"""How much memory there is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a container may take, as the two versions of control groups tell it (Linux)."""


def memory_bytes() -> int:
    """What the machine has, or its container may take."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in map(Path, _CGROUP_LIMITS):
        with suppress(OSError, ValueError):  # no such file, or `max`
            limits.append(int(path.read_text()))
    return min(limits)
