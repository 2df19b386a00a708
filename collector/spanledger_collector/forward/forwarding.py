"""Forwarding in a running collector: started and stopped with it, and told of by it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from spanledger_collector import metrics
from spanledger_collector.config import Address, Forward
from spanledger_collector.forward.bearers import Price
from spanledger_collector.forward.loops import check_leads_elsewhere
from spanledger_collector.forward.sender import Sender
from spanledger_collector.forward.staging import Staging
from spanledger_collector.forward.target import target_of
from spanledger_collector.journal import Entry, Journal, told
from spanledger_collector.merge import Settlement
from spanledger_collector.model import Fact
from spanledger_collector.receive.redact import Redaction
from spanledger_collector.receive.submit import ExportRequest

_log = logging.getLogger(__name__)

Stage = Callable[[Sequence[Entry], Sequence[ExportRequest], Settlement, Collection[Fact], Price], object]
"""Stages the entries of a batch: see ``Staging.stage``."""


class Forwarding:
    """From the outbox of ``journal`` to the target that ``settings`` name."""

    def __init__(self, journal: Journal, settings: Forward, redaction: Redaction) -> None:
        """Raises ``RetryableError`` where the journal cannot be told that there is a target."""
        self._outbox = journal.outbox
        self._url = settings.url
        self._staging = Staging(journal, redaction)
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        target = target_of(settings.url, headers, timeout_s=settings.timeout_s, ca_file=settings.ca_file)
        self._sender = Sender(journal.outbox, target, self._staging)
        journal.outbox.switch(on=True)
        metrics.FORWARD_REQUESTS.set_function(lambda: journal.outbox.depth.entries)
        metrics.FORWARD_BYTES.set_function(lambda: journal.outbox.depth.size_bytes)
        metrics.FORWARD_LAG_SECONDS.set_function(lambda: journal.outbox.depth.lag_s(time.time()))

    def stage(
        self,
        entries: Sequence[Entry],
        requests: Sequence[ExportRequest],
        settlement: Settlement,
        facts: Collection[Fact],
        price: Price,
    ) -> None:
        """See ``Staging.stage``."""
        self._staging.stage(entries, requests, settlement, facts, price)
        self._sender.staged()

    def start(self, listeners: Iterable[Address]) -> None:
        """Begin to send, unless one of the collector's own ``listeners`` would get it.

        Raises:
            ForwardsToItselfError: one would.
        """
        check_leads_elsewhere(self._url, listeners)
        self._sender.start()

    def stop(self, drain_s: float) -> None:
        """See ``Sender.stop``."""
        self._sender.stop(drain_s)

    def status(self) -> dict[str, Any]:
        """What waits for the target, as ``journal.depth.told`` tells it."""
        return told(self._outbox.depth)


def forwarding_of(journal: Journal, settings: Forward, redaction: Redaction) -> Forwarding | None:
    """Forwarding where there is a target; where there is none (any more), what still waits for one is told.

    Raises:
        RetryableError: the journal cannot be written.
    """
    if settings.url:
        return Forwarding(journal, settings, redaction)
    journal.outbox.switch(on=False)
    waiting = journal.outbox.depth.entries
    if waiting:
        _log.warning("%d requests wait in the journal for a forward target; --forward URL names it again", waiting)
    return None
