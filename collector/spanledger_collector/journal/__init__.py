"""Between receiving and the rest: what was acknowledged is on disk until the store has it.

``Intake`` is the ``Submit`` behind the entrances, ``Journal`` the file, ``Consumer`` what takes requests from it in
order, ``DeadLetters`` where a request goes that can never be processed.
"""

from spanledger_collector.journal.at_rest import waiting_in
from spanledger_collector.journal.consumer import BatchLimits, Consumer
from spanledger_collector.journal.dead_letters import DeadLetters
from spanledger_collector.journal.depth import show_depth, told
from spanledger_collector.journal.entry import Depth, Entry, Request
from spanledger_collector.journal.file import Bounds, Journal
from spanledger_collector.journal.intake import Intake
from spanledger_collector.journal.outbox import GivenUp, Outbox, OutgoingBounds
from spanledger_collector.journal.reading import ReadYourWrites

__all__ = [
    "BatchLimits",
    "Bounds",
    "Consumer",
    "DeadLetters",
    "Depth",
    "Entry",
    "GivenUp",
    "Intake",
    "Journal",
    "Outbox",
    "OutgoingBounds",
    "ReadYourWrites",
    "Request",
    "show_depth",
    "told",
    "waiting_in",
]
