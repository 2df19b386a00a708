"""From facts to the ledger: which spans are copies of one call, which wrap others, and whom each call was for.

The ledger is a pure function of the set of facts (``fold``), so that order, grouping, repetition and restarts cannot
change it. ``Settler`` keeps it in step: new facts pull in the stored ones they are related to, and what changes is
written.
"""

from spanledger_collector.merge.fold import LedgerRow, fold, with_calls
from spanledger_collector.merge.settle import ContextMakers, FactStore, Settlement, Settler

__all__ = ["ContextMakers", "FactStore", "LedgerRow", "Settlement", "Settler", "fold", "with_calls"]
