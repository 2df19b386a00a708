"""To another back end: what came in is sent on over OTLP, with what the ledger found out about it.

``Staging`` puts the requests of a batch, enriched, into the journal's outbox; ``Sender`` takes them from there to a
``Target``; ``Forwarding`` is both in a running collector. None lets the ledger wait for the target.
"""

from spanledger_collector.forward.forwarding import Forwarding, Stage, forwarding_of
from spanledger_collector.forward.staging import Staging, goes_on

__all__ = ["Forwarding", "Stage", "Staging", "forwarding_of", "goes_on"]
