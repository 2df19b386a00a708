"""Loud, but not without end: what happens again and again is said once a minute, with its number since."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_S = 60.0


class Quiet:
    """Adds up what is to be said, and says it when it is time."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._unsaid = 0
        self._said_at_s = float("-inf")

    def say(self, count: int, tell: Callable[[int], object]) -> None:
        """Call ``tell`` with ``count`` and all that was not told before, unless it told something just now."""
        self._unsaid += count
        if self._now_s() - self._said_at_s >= PAUSE_S:
            tell(self._unsaid)
            self._unsaid, self._said_at_s = 0, self._now_s()
