"""What Python does with objects that are not needed any more, in a process that takes millions of spans."""

from __future__ import annotations

import gc

from spanledger_collector.compiled import twin

_COLLECTIONS = (100_000, 50, 100)
"""``gc.set_threshold``: a batch makes as many objects, which live until it is written and hold no loops."""
_KEPT_ARENAS = 64
"""MiB of free memory at most: what the objects of two batches take, where there is a compiler."""


def expect_batches() -> None:
    """Spare the garbage collector what is there now, which stays, and every batch; keep memory from batch to batch.

    They took a third, and then a tenth, of the time a span costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
    arenas = twin("compiled_arenas")
    if arenas is not None:
        arenas.keep_arenas(_KEPT_ARENAS)
