"""The clock of the spans that spanledger opens; ``spanledger.testing`` puts a fixed one in its place."""

from __future__ import annotations

import time
from collections.abc import Callable

now_ns: Callable[[], int] = time.time_ns
"""Nanoseconds since the epoch. Call it through the module, so that a test's clock is seen."""
