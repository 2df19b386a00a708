"""Takes requests from the outbox to the target, oldest first, in a thread of its own.

A target that is away or asks for patience is tried again, ever more slowly. What it refuses for good is tried in halves
until the request is found that it does not take; that one is dropped: the ledger has it. One that is
too large is sent in parts.
"""

from __future__ import annotations

import logging
import threading
import time

from spanledger_collector import metrics
from spanledger_collector.errors import RetryableError
from spanledger_collector.forward.errors import (
    SignalNotTakenError,
    TargetNotNowError,
    TargetRefusedError,
    TargetTooSmallError,
)
from spanledger_collector.forward.halves import halves, spans_in
from spanledger_collector.forward.quiet import Quiet
from spanledger_collector.forward.staging import Staging
from spanledger_collector.forward.target import Target
from spanledger_collector.journal import Entry, Outbox

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_GIVE_UP_EVERY_S = 10.0
"""How often the age of what waits is looked at, whatever the target does."""
_MAX_REQUEST_BYTES = 2 * 1024 * 1024
"""Requests are joined up to this: a gRPC server takes 4 MiB unless told otherwise."""


class Sender:
    """One thread from the outbox to the target."""

    def __init__(self, outbox: Outbox, target: Target, staging: Staging) -> None:
        self._outbox = outbox
        self._target = target
        self._staging = staging
        self._thread = threading.Thread(target=self._run, name="forward")
        self._changed = threading.Condition()
        self._staged = False
        self._stop_at_s: float | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._resume_at_s = 0.0
        self._away_since_s: float | None = None
        self._quiet = Quiet()

    def start(self) -> None:
        """Begin with what an earlier process left."""
        waiting = self._outbox.depth.entries
        if waiting:
            _log.info("%d requests wait for the forward target from an earlier run; they are sent first", waiting)
        self._thread.start()

    def staged(self) -> None:
        """Say that the outbox has more."""
        with self._changed:
            self._staged = True
            self._changed.notify_all()

    def stop(self, drain_s: float) -> None:
        """Send what waits, for ``drain_s`` seconds at most, as long as it is taken; the rest is for the next start.

        A request that is under way has its own timeout.
        """
        with self._changed:
            self._stop_at_s = time.monotonic() + drain_s
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        left = self._outbox.depth.entries
        if left:
            _log.warning("%d requests for the forward target stay in the journal until the next start", left)

    def _run(self) -> None:
        while self._goes_on():
            left_s = self._resume_at_s - time.monotonic()
            if left_s > 0:
                self._wait(min(left_s, _GIVE_UP_EVERY_S), or_staged=False)
            try:
                self._staging.give_up()
                if time.monotonic() < self._resume_at_s:
                    continue
                entries = self._outbox.read(_MAX_REQUEST_BYTES)
                if entries:
                    self._send(entries)
                elif self._stop_at_s is not None:
                    return
                else:
                    self._wait(_GIVE_UP_EVERY_S, or_staged=True)
            except RetryableError as error:
                self._put_off(str(error), getattr(error, "asked_pause_s", 0.0))
            except Exception as error:
                # Its text may quote what was sent.
                self._put_off(f"sending failed with {type(error).__name__}", 0.0)

    def _goes_on(self) -> bool:
        if self._stop_at_s is None:
            return True
        return self._away_since_s is None and time.monotonic() < self._stop_at_s

    def _send(self, entries: list[Entry]) -> None:
        """Send ``entries``, which are of one signal, and take them out; of those that are refused find each one.

        Raises:
            TargetNotNowError: they may be sent again.
            JournalUnavailableError: they were sent, and it is time to end; they are still there.
        """
        signal = entries[0].request.signal
        try:
            # Of protobuf messages whose fields are all repeated, the bytes in a row are the message of all.
            rejected = self._target.send(signal, b"".join(entry.request.body for entry in entries))
        except SignalNotTakenError as error:
            if signal == "traces":
                raise TargetNotNowError(str(error)) from None
            self._drop(entries, error)
            return
        except TargetRefusedError as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                self._send(entries[:middle])
                self._send(entries[middle:])
                return
            parts = halves(signal, entries[0].request.body) if isinstance(error, TargetTooSmallError) else None
            if parts is None:
                self._drop(entries, error)
                return
            rejected = self._send_parts(entries[0], parts)
        self._take_out(entries)
        metrics.FORWARD_SENT_REQUESTS.inc(len(entries))
        if signal == "traces":
            spans = sum(entry.request.spans for entry in entries)
            metrics.FORWARD_SENT_SPANS.inc(max(0, spans - rejected))
            metrics.FORWARD_REFUSED_SPANS.inc(rejected)
        self._taken()

    def _send_parts(self, entry: Entry, parts: tuple[bytes, bytes]) -> int:
        """Send a request that is too large for the target in parts; returns how many of its spans are rejected.

        Raises:
            TargetNotNowError: what is left of the request may be sent again.
        """
        signal = entry.request.signal
        rest = list(parts)
        rejected = 0
        while rest:
            try:
                rejected += self._target.send(signal, rest[0])
                rest.pop(0)
            except TargetRefusedError as error:
                smaller = halves(signal, rest[0]) if isinstance(error, TargetTooSmallError) else None
                if smaller is None:
                    rejected += spans_in(signal, rest[0])
                    self._tell("parts of %d requests are dropped, as %s", 1, error)
                rest[:1] = smaller or ()
            except RetryableError:
                self._outbox.shrink(entry, b"".join(rest))
                raise
        return rejected

    def _drop(self, entries: list[Entry], error: TargetRefusedError) -> None:
        self._take_out(entries)
        metrics.FORWARD_REFUSED_REQUESTS.inc(len(entries))
        metrics.FORWARD_REFUSED_SPANS.inc(sum(entry.request.spans for entry in entries))
        self._tell("%d requests are dropped, as %s", len(entries), error)
        self._taken()

    def _tell(self, text: str, count: int, error: TargetRefusedError) -> None:
        self._quiet.say(count, lambda total: _log.error(text, total, error))

    def _take_out(self, entries: list[Entry]) -> None:
        """Remove what was sent, as soon as the file can be written; sent again meanwhile, it would arrive twice.

        Raises:
            JournalUnavailableError: it is time to end, and the file cannot be written.
        """
        while True:
            try:
                self._outbox.remove(entries)
                return
            except RetryableError:
                if self._stop_at_s is not None:
                    raise
                self._wait(_LONGEST_PAUSE_S, or_staged=False)

    def _taken(self) -> None:
        if self._away_since_s is not None:
            away_s = time.monotonic() - self._away_since_s
            _log.info("forwarded again after %.0f s; %d requests wait", away_s, self._outbox.depth.entries)
        self._away_since_s = None
        self._pause_s = _FIRST_PAUSE_S

    def _put_off(self, reason: str, asked_pause_s: float) -> None:
        if self._away_since_s is None:
            self._away_since_s = time.monotonic()
            _log.warning("requests wait to be forwarded, as %s; trying again, and the ledger goes on", reason)
        self._resume_at_s = time.monotonic() + max(self._pause_s, asked_pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _wait(self, seconds: float, *, or_staged: bool) -> None:
        """Wait so long, or until it is time to end, or there is more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop_at_s is not None or (or_staged and self._staged), seconds)
            self._staged = False
