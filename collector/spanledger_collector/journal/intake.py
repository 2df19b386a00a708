"""The ``Submit`` behind the entrances: success is answered once a request is on disk.

Group commit: what arrives while one commit waits for its fsync shares the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from spanledger_collector import metrics
from spanledger_collector.errors import RetryableError
from spanledger_collector.journal.entry import Request
from spanledger_collector.journal.file import Journal
from spanledger_collector.journal.keeping import Keeping, Wanted
from spanledger_collector.receive.errors import QueueFullError


@dataclass(slots=True, eq=False)
class _Pending:
    request: Request
    written: asyncio.Future[None]


class Intake(Keeping):
    """Writes requests to the journal, one commit at a time in a thread of its own.

    ``wanted`` says which requests lead to the ledger. ``arrived`` is called after each commit, from that thread.
    ``max_pending_bytes`` bounds what is in memory before it is on disk.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        wanted: Wanted,
        arrived: Callable[[], object],
        max_pending_bytes: int,
    ) -> None:
        super().__init__(wanted)
        self._journal = journal
        self._arrived = arrived
        self._max_pending_bytes = max_pending_bytes
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, request: Request) -> None:
        """See ``Keeping``; it is on disk even if the caller gives up waiting."""
        try:
            self._check_room(len(request.body))
            pending = _Pending(request, asyncio.get_running_loop().create_future())
            self._pending_bytes += len(request.body)
            self._pending.append(pending)
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())
            await pending.written
        except RetryableError:
            metrics.REFUSED_SPANS.inc(request.spans)
            raise

    @property
    def has_room(self) -> bool:
        """Whether a request that comes now would be taken, as far as the bounds of the journal go."""
        try:
            self._journal.check_room(self._pending_bytes)
        except RetryableError:
            return False
        return True

    async def stop(self) -> None:
        """Write what was submitted, then end."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    def _check_room(self, size_bytes: int) -> None:
        if self._pending and self._pending_bytes + size_bytes > self._max_pending_bytes:
            raise QueueFullError("the disk does not keep up (max_pending_bytes); send the same again later")
        self._journal.check_room(self._pending_bytes + size_bytes)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            group, self._pending = self._pending, []
            error: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, [pending.request for pending in group])
            except Exception as failure:
                error = failure
            for pending in group:
                self._answer(pending, error)
        self._writing = None

    def _commit(self, requests: list[Request]) -> None:
        self._journal.append(requests)
        self._arrived()

    def _answer(self, pending: _Pending, error: Exception | None) -> None:
        self._pending_bytes -= len(pending.request.body)
        if error is None:
            metrics.ACCEPTED_SPANS.inc(pending.request.spans)
        # The client may have given up; what it sent is stored all the same.
        if not pending.written.cancelled():
            if error is None:
                pending.written.set_result(None)
            else:
                pending.written.set_exception(error)
