"""Journals in fresh files, requests to put into them, and a consumer over a function of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from spanledger_collector.journal import BatchLimits, Bounds, Consumer, DeadLetters, Entry, Journal, Request

ROOMY = Bounds(max_bytes=10**9, max_age_s=3600, min_free_bytes=0)


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        """What the journal asks."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The journal's clock."""
    return Clock()


@pytest.fixture
def open_journal(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Journal]]:
    """Opens the journal of the test's directory; a second call is a restart."""
    opened: list[Journal] = []

    def reopen(bounds: Bounds = ROOMY) -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal(tmp_path / "journal.db", bounds, clock))
        return opened[-1]

    yield reopen
    for journal in opened:
        journal.close()


@pytest.fixture
def consume(tmp_path: Path) -> Iterator[Callable[..., Consumer]]:
    """Starts consumers with short waits; they are stopped at the end."""
    started: list[Consumer] = []

    def start(
        journal: Journal, process: Callable[[Sequence[Entry]], object], *, spans: int = 100, wait_s: float = 0.01
    ) -> Consumer:
        limits = BatchLimits(spans=spans, size_bytes=10**6, wait_s=wait_s)
        consumer = Consumer(journal, process, DeadLetters(tmp_path / "dead_letter"), limits)
        started.append(consumer)
        consumer.start()
        return consumer

    yield start
    for consumer in started:
        consumer.stop(0)


def request(body: bytes = b"body", spans: int = 1) -> Request:
    """A request of the journal; what is in it is nothing to the journal."""
    return Request("traces", spans, body)


def bodies(entries: Sequence[Entry]) -> list[bytes]:
    """What the entries hold, in their order."""
    return [entry.request.body for entry in entries]


def everything(journal: Journal) -> list[Entry]:
    """All that waits."""
    return journal.read(max_spans=10**9, max_bytes=10**9)
