"""The ``Submit`` behind the entrances: success is answered once a request is on disk.

Group commit: what arrives while one commit waits for its fsync shares the next one. A group changes hands twice, from
the event loop to the journal's thread and back, however many requests are in it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from spanledger_collector import metrics
from spanledger_collector.errors import RetryableError
from spanledger_collector.journal.entry import Request
from spanledger_collector.journal.file import Journal
from spanledger_collector.journal.keeping import Keeping, Wanted
from spanledger_collector.receive.errors import QueueFullError


class _Pending(NamedTuple):
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
        self._refused_bytes = 0
        self._groups: queue.SimpleQueue[list[_Pending] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_writing = False
        self._drained: asyncio.Future[None] | None = None

    async def keep(self, request: Request) -> None:
        """See ``Keeping``; it is on disk even if the caller gives up waiting."""
        try:
            size_bytes = len(request.body)
            self._check_room(size_bytes)
            written = self._running_loop().create_future()
            self._pending_bytes += size_bytes
            self._pending.append(_Pending(request, written))
            if not self._is_writing:
                self._is_writing = True
                # What else has come by now is ready in this round of the loop, and shares the commit.
                self._loop.call_soon(self._hand_over)
            await written
        except RetryableError:
            metrics.REFUSED_SPANS.inc(request.spans)
            raise

    @property
    def has_room(self) -> bool:
        """Whether a request that comes now would be taken, as far as the bounds of the journal go.

        Where one was refused, it is one of that size: what is as full as it gets would else seem to have room.
        """
        try:
            self._journal.check_room(self._pending_bytes + self._refused_bytes)
        except RetryableError:
            return False
        return True

    async def stop(self) -> None:
        """Write what was submitted, then end."""
        if self._thread is None:
            return
        if self._is_writing:
            self._drained = self._loop.create_future()
            await self._drained
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
            self._thread.start()
        return self._loop

    def _check_room(self, size_bytes: int) -> None:
        pending_bytes = self._pending_bytes + size_bytes
        if self._pending_bytes and pending_bytes > self._max_pending_bytes:
            raise QueueFullError("the disk does not keep up (max_pending_bytes); send the same again later")
        try:
            self._journal.check_room(pending_bytes)
        except QueueFullError:
            self._refused_bytes = size_bytes
            raise
        if size_bytes >= self._refused_bytes:
            self._refused_bytes = 0

    def _hand_over(self) -> None:
        group, self._pending = self._pending, []
        self._groups.put(group)

    def _write(self) -> None:
        """What the thread does."""
        while (group := self._groups.get()) is not None:
            error: Exception | None = None
            try:
                self._journal.append([pending.request for pending in group])
                self._arrived()
            except Exception as failure:
                error = failure
            self._loop.call_soon_threadsafe(self._answer, group, error)

    def _answer(self, group: list[_Pending], error: Exception | None) -> None:
        self._pending_bytes -= sum(len(pending.request.body) for pending in group)
        if error is None:
            metrics.ACCEPTED_SPANS.inc(sum(pending.request.spans for pending in group))
        if self._pending:
            self._hand_over()
        else:
            self._is_writing = False
            if self._drained is not None:
                self._drained.set_result(None)
        for _, written in group:
            # The client may have given up; what it sent is stored all the same.
            if written.cancelled():
                continue
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)
