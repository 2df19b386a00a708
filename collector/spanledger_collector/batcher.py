"""Group commit: requests that arrive together are processed together, and answered when the store has them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from spanledger_collector import metrics
from spanledger_collector.errors import PermanentError, RetryableError, SpanledgerError
from spanledger_collector.pipeline import LedgerRequest, leads_to_ledger
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.submit import Outcome, Received

_log = logging.getLogger(__name__)

Process = Callable[[list[LedgerRequest]], object]


@dataclass(slots=True, eq=False)
class _Pending:
    request: LedgerRequest
    spans: int
    size_bytes: int
    done: asyncio.Future[Outcome]


class Batcher:
    """The ``Submit`` behind the entrances: one batch at a time goes through ``process`` in a thread of its own.

    Memory is bounded: beyond ``max_pending_bytes`` clients are told to slow down.
    """

    def __init__(self, process: Process, *, batch_spans: int, batch_wait_ms: int, max_pending_bytes: int) -> None:
        self._process = process
        self._batch_spans = batch_spans
        self._batch_wait_s = batch_wait_ms / 1000
        self._max_pending_bytes = max_pending_bytes
        self._waiting: list[_Pending] = []
        self._pending_bytes = 0
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pipeline")
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to process."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Process what was submitted, then end."""
        self._stopping = True
        self._arrived.set()
        self._full.set()
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def submit(self, request: Received) -> Outcome:
        """See ``receive.submit.Submit``. Metrics, and logs that state no call, are taken, counted and ignored."""
        if not leads_to_ledger(request.body):
            metrics.IGNORED_REQUESTS.labels(request.signal).inc()
            return Outcome()
        spans = request.spans
        if self._pending_bytes + request.size_bytes > self._max_pending_bytes and self._pending_bytes:
            metrics.REFUSED_SPANS.inc(spans)
            raise QueueFullError("more is waiting for the store than is allowed; send the same again later")
        pending = _Pending(request.body, spans, request.size_bytes, asyncio.get_running_loop().create_future())
        self._pending_bytes += pending.size_bytes
        self._waiting.append(pending)
        self._arrived.set()
        if sum(p.spans for p in self._waiting) >= self._batch_spans:
            self._full.set()
        return await pending.done

    async def _work(self) -> None:
        while not self._stopping or self._waiting:
            await self._arrived.wait()
            if not self._stopping:
                await self._wait_for_more()
            batch, self._waiting = self._waiting, []
            self._arrived.clear()
            self._full.clear()
            if self._stopping:
                self._arrived.set()
            await self._commit(batch)

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(self._batch_wait_s):
                await self._full.wait()
        except TimeoutError:
            pass

    async def _commit(self, batch: list[_Pending]) -> None:
        if not batch:
            return
        loop = asyncio.get_running_loop()
        with metrics.BATCH_SECONDS.time():
            try:
                await loop.run_in_executor(self._thread, self._process, [p.request for p in batch])
            except RetryableError as error:
                self._answer(batch, error)
            except Exception as error:
                await self._one_by_one(batch, error)
            else:
                self._answer(batch, None)

    async def _one_by_one(self, batch: list[_Pending], error: Exception) -> None:
        """One request that cannot be processed must not take the others with it."""
        if len(batch) > 1:
            for pending in batch:
                await self._commit([pending])
            return
        if not isinstance(error, SpanledgerError):
            _log.error("a request could not be processed", exc_info=error)
            error = PermanentError(f"the request could not be processed ({type(error).__name__})")
        self._answer(batch, error)

    def _answer(self, batch: list[_Pending], error: SpanledgerError | None) -> None:
        for pending in batch:
            self._pending_bytes -= pending.size_bytes
            (metrics.ACCEPTED_SPANS if error is None else metrics.REFUSED_SPANS).inc(pending.spans)
            # The client may have given up; what it sent is stored all the same.
            if not pending.done.cancelled():
                if error is None:
                    pending.done.set_result(Outcome())
                else:
                    pending.done.set_exception(error)
