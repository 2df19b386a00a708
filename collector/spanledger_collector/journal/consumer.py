"""Takes requests from the journal to the store, in order, in batches; none leaves the journal before the store has it.

A store that is down stops the consumer, not the intake: the same requests are tried until they pass. A batch that is
refused again and again is tried in halves, as it may be too much at once. A request that can never be processed
becomes a dead letter, alone: one that fails for good, or one that the store refuses while it takes others.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from spanledger_collector import metrics
from spanledger_collector.errors import RetryableError
from spanledger_collector.journal.dead_letters import DeadLetters, reason_of
from spanledger_collector.journal.entry import Entry
from spanledger_collector.journal.file import Journal

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_TRIES_TOGETHER = 6
"""How often a batch is refused before it is tried in halves: a store that is away for a moment takes it whole."""
_TRIES_OF_A_PART = 2
_PROOFS = 6
"""How often the store must take another request and refuse one right after, before that one is to blame."""
_OTHERS = 5

Process = Callable[[Sequence[Entry]], "Future[Any] | None"]
"""Takes entries to the store, which has them when it returns, or when the future that it returns is done: while it is
not, the next are given, and again what is not taken. Doing it again changes nothing."""


class _UnderWay(NamedTuple):
    """Entries on their way to the store."""

    entries: list[Entry]
    done: Future[Any]
    spans: int
    size_bytes: int


@dataclass(slots=True, frozen=True)
class BatchLimits:
    """How much is processed together at the most, and how long a batch waits for more."""

    spans: int
    size_bytes: int
    wait_s: float


class Consumer:
    """One thread from the journal to ``process``."""

    def __init__(self, journal: Journal, process: Process, dead_letters: DeadLetters, limits: BatchLimits) -> None:
        self._journal = journal
        self._process = process
        self._dead_letters = dead_letters
        self._limits = limits
        self._thread = threading.Thread(target=self._run, name="pipeline")
        self._arrived = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._is_gathering = False
        self._stop_at = float("inf")
        self._under_way: _UnderWay | None = None
        self._progress = threading.Condition()
        self._passed = 0 if journal.depth.entries else journal.newest
        self.refused_since: float | None = None
        """Since when (seconds of ``time.monotonic``) the store has refused what waits; ``None`` while it takes it."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs; a store that refuses does not end it."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin with what an earlier process left."""
        entries = self._journal.depth.entries
        if entries:
            _log.info("%d requests wait in the journal from an earlier run; they are processed first", entries)
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Process what waits, for ``drain_s`` seconds at most; what is left stays for the next start."""
        self._stop_at = time.monotonic() + drain_s
        self._stopping.set()
        self._arrived.set()
        if self._thread.ident is not None:
            self._thread.join()
        left = self._journal.depth.entries
        if left:
            _log.warning("%d requests stay in the journal until the next start", left)

    def arrived(self) -> None:
        """Say that the journal has more; who waits for a full batch is woken only by one."""
        if not self._is_gathering or self._is_full():
            self._arrived.set()

    def catch_up(self, patience_s: float = 5.0) -> bool:
        """Wait until everything that is in the journal now has passed; says whether it has.

        A store that has refused for ``patience_s`` already is not waited for.
        """
        newest = self._journal.newest
        with self._progress:
            if self._passed >= newest:
                return True
            self._hurry.set()
            self._arrived.set()
            waited_since = self.refused_since or time.monotonic()
            return self._progress.wait_for(lambda: self._passed >= newest, waited_since + patience_s - time.monotonic())

    def _run(self) -> None:
        try:
            while True:
                if not self._is_full():
                    self._finish()
                if not self._wait_for_batch():
                    break
                self._take(self._until_it_passes(self._read))
            self._finish()
        except _StoppedError:
            pass
        except Exception as error:
            # By its type and place alone, as it may quote what was processed; `/readyz` says that it is dead.
            _log.critical("nothing leaves the journal any more until a restart, as %s", reason_of(error))

    def _wait_for_batch(self) -> bool:
        """Wait until there is enough, or long enough; ``False`` when it is time to end."""
        deadline_s: float | None = None
        while not self._stopping.is_set():
            now_s = time.monotonic()
            if self._is_full():
                self._is_gathering = False
                return True
            if self._journal.depth.entries:
                # What came while another batch was written has waited as well.
                deadline_s = deadline_s or now_s + self._limits.wait_s - self._journal.lag_s
                self._is_gathering = True
                if self._hurry.is_set() or now_s >= deadline_s:
                    break
            self._arrived.wait(deadline_s and deadline_s - now_s)
            self._arrived.clear()
        self._is_gathering = False
        self._hurry.clear()
        return self._journal.depth.entries > 0 and time.monotonic() < self._stop_at

    def _is_full(self) -> bool:
        """Whether what is not under way yet fills a batch."""
        depth, under_way = self._journal.depth, self._under_way
        spans, size_bytes = (under_way.spans, under_way.size_bytes) if under_way else (0, 0)
        return depth.spans - spans >= self._limits.spans or depth.size_bytes - size_bytes >= self._limits.size_bytes

    def _read(self) -> list[Entry]:
        after = self._under_way.entries[-1].sequence if self._under_way else -1
        return self._journal.read(max_spans=self._limits.spans, max_bytes=self._limits.size_bytes, after=after)

    def _take(self, entries: list[Entry]) -> None:
        """Begin with ``entries`` while those before them are written."""
        done = self._begun(entries)
        self._finish()
        requests = [entry.request for entry in entries]
        spans, size_bytes = sum(r.spans for r in requests), sum(len(r.body) for r in requests)
        self._under_way = _UnderWay(entries, done, spans, size_bytes)
        if done.done():
            self._finish()

    def _begun(self, entries: list[Entry]) -> Future[Any]:
        """What ``process`` makes of ``entries``: done already where it waited for the store itself, or failed."""
        began_s = time.monotonic()
        try:
            done = self._process(entries) or _done()
        except Exception as error:
            return _done(error)
        done.add_done_callback(lambda _: metrics.BATCH_SECONDS.observe(time.monotonic() - began_s))
        return done

    def _finish(self) -> None:
        """Wait for what is under way, and take it out of the journal."""
        if self._under_way is None:
            return
        entries = self._under_way.entries
        failed = self._under_way.done.exception() is not None
        self._under_way = None
        if failed:
            # One by one from here on, and the same again: its error is told if it is met once more.
            self._consume(entries)
        else:
            self._remove(entries)

    def _consume(self, entries: list[Entry], tries: float = _TRIES_TOGETHER) -> None:
        """Process ``entries`` and take them out of the journal; of those that fail find each one."""
        error = self._failure(entries, tries)
        if error is not None and len(entries) > 1:
            if isinstance(error, RetryableError) and tries == _TRIES_TOGETHER:
                _log.warning(
                    "%d requests are refused together again and again; they are tried in parts, and where that helps, "
                    "batch_spans or batch_bytes is too large for the store",
                    len(entries),
                )
            middle = len(entries) // 2
            self._consume(entries[:middle], _TRIES_OF_A_PART)
            self._consume(entries[middle:], _TRIES_OF_A_PART)
            return
        while isinstance(error, RetryableError) and not self._is_to_blame(entries[0]):
            error = self._failure(entries, _TRIES_TOGETHER)
        if error is not None:
            self._bury(entries[0], error)
        self._remove(entries)

    def _remove(self, entries: list[Entry]) -> None:
        self._until_it_passes(lambda: self._journal.remove(entries))
        with self._progress:
            self._passed = entries[-1].sequence
            self._progress.notify_all()

    def _failure(self, entries: list[Entry], tries: float) -> Exception | None:
        """What ``entries`` failed with in the end; ``None`` where they were processed."""
        try:
            with metrics.BATCH_SECONDS.time():
                self._until_it_passes(lambda: self._process_alone(entries), tries)
        except _StoppedError:
            raise
        except Exception as error:
            return error
        return None

    def _process_alone(self, entries: list[Entry]) -> None:
        done = self._process(entries)
        if done is not None:
            done.result()

    def _is_to_blame(self, entry: Entry) -> bool:
        """Whether the store takes another request and refuses this one right after, several times in a row."""
        others = self._journal.smallest_after(entry.sequence, _OTHERS)
        other = next((other for other in others if self._passes(other)), None)
        if other is None:
            return False
        for _ in range(_PROOFS):
            if self._passes(entry) or not self._passes(other):
                return False
            if self._stopping.wait(_FIRST_PAUSE_S):
                raise _StoppedError
        return True

    def _passes(self, entry: Entry) -> bool:
        try:
            self._process_alone([entry])
        except Exception:
            return False
        return True

    def _bury(self, entry: Entry, error: Exception) -> None:
        letter = self._until_it_passes(lambda: self._dead_letters.write(entry, error))
        metrics.DEAD_LETTER_REQUESTS.inc()
        metrics.DEAD_LETTER_SPANS.inc(entry.request.spans)
        _log.error(
            "a request of %d spans cannot be processed; it is kept, with the reason, as %s", entry.request.spans, letter
        )

    def _until_it_passes(self, work: Callable[[], _Answer], tries: float = math.inf) -> _Answer:
        """Do ``work`` again and again, ever more slowly, while it may succeed later.

        Raises:
            RetryableError: it has not after so many ``tries``.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = work()
            except RetryableError as error:
                if self.refused_since is None:
                    self.refused_since = time.monotonic()
                    _log.warning("requests stay in the journal, as %s; trying again", error)
                tries -= 1
                if tries <= 0:
                    raise
            else:
                if self.refused_since is not None:
                    _log.info(
                        "taken again after %.0f s; %d requests wait in the journal",
                        time.monotonic() - self.refused_since,
                        self._journal.depth.entries,
                    )
                    self.refused_since = None
                return answer
            if self._stopping.wait(pause_s):
                raise _StoppedError
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _done(error: Exception | None = None) -> Future[Any]:
    done: Future[Any] = Future()
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
    return done


class _StoppedError(Exception):
    """The collector stops, and the store refuses: what waits stays in the journal."""
