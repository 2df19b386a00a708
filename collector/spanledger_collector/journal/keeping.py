"""What every ``Submit`` does that ends in the journal, here or in another process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from spanledger_collector.journal.entry import Request
from spanledger_collector.receive.submit import ALL_TAKEN, IGNORED, CleanSpans, ExportRequest, Outcome, Received

Wanted = Callable[[ExportRequest], bool]
"""Whether a request leads to the ledger, or goes on to another back end; spans always do, and are not asked of."""


class Keeping(ABC):
    """A ``Submit`` that keeps what is wanted; other requests are taken and ignored."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    async def submit(self, request: Received | CleanSpans) -> Outcome:
        """See ``receive.submit.Submit``."""
        if request.signal == "traces" or self._wanted(request.body):
            await self.keep(Request.of(request))
            return ALL_TAKEN
        return IGNORED

    @abstractmethod
    async def keep(self, request: Request) -> None:
        """Return once ``request`` is on disk.

        Raises:
            RetryableError: it is not.
        """
