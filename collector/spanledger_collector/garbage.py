"""Python's garbage collector in a process that takes millions of spans."""

from __future__ import annotations

import gc

_COLLECTIONS = (100_000, 50, 100)
"""``gc.set_threshold``: a batch makes as many objects, which live until it is written and hold no loops."""


def spare_collections() -> None:
    """Keep the garbage collector from going through what is there now, which stays, and through every batch.

    It took a third of the time a span costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
