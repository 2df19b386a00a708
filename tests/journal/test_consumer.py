"""From the journal to the store: in order, again while the store refuses, and never stopped by one request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from spanledger_collector.errors import BadInputError, StoreUnavailableError
from spanledger_collector.journal import Consumer, Entry, Journal
from spanledger_collector.journal import consumer as consumer_module
from spanledger_collector.receive.files import read_requests

from .conftest import Clock, bodies, everything, request

Open = Callable[..., Journal]
Consume = Callable[..., Consumer]

SECRET = "the prompt itself"


class Ledger:
    """What a process function has taken; raises the ``failures`` first."""

    def __init__(self, *failures: Exception) -> None:
        self.batches: list[list[bytes]] = []
        self.failures = list(failures)
        self.refused = threading.Event()

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Take entries."""
        if self.failures:
            self.refused.set()
            raise self.failures.pop(0)
        self.batches.append(bodies(entries))

    @property
    def taken(self) -> list[bytes]:
        """All bodies, in the order of processing."""
        return [body for batch in self.batches for body in batch]


def test_what_an_earlier_run_left_comes_first(open_journal: Open, consume: Consume) -> None:
    """Leftovers and new requests are processed in order of arrival, then the journal is empty."""
    open_journal().append([request(b"left 1"), request(b"left 2")])
    journal, ledger = open_journal(), Ledger()
    journal.append([request(b"new")])
    consumer = consume(journal, ledger)
    assert consumer.catch_up()
    assert ledger.taken == [b"left 1", b"left 2", b"new"]
    assert journal.depth.entries == 0


def test_a_batch_is_bounded_by_its_spans(open_journal: Open, consume: Consume) -> None:
    """A backlog goes to the store in portions."""
    journal, ledger = open_journal(), Ledger()
    journal.append([request(b"%d" % number, spans=40) for number in range(5)])
    assert consume(journal, ledger, spans=100).catch_up()
    assert ledger.batches == [[b"0", b"1"], [b"2", b"3"], [b"4"]]


def test_who_asks_does_not_wait_for_the_batch_to_fill(open_journal: Open, consume: Consume) -> None:
    """A question hurries the consumer along: an hour of batch time passes at once."""
    journal, ledger = open_journal(), Ledger()
    consumer = consume(journal, ledger, wait_s=3600)
    journal.append([request(b"1")])
    consumer.arrived()
    assert consumer.catch_up()
    assert ledger.taken == [b"1"]


def test_the_same_batch_is_tried_until_the_store_takes_it(
    open_journal: Open, consume: Consume, caplog: pytest.LogCaptureFixture
) -> None:
    """While the store refuses, everything stays on disk; the log says so once, and once that it is over."""
    caplog.set_level(logging.INFO)
    journal, ledger = open_journal(), Ledger(*[StoreUnavailableError("the store did not answer")] * 3)
    journal.append([request(b"1"), request(b"2")])
    consumer = consume(journal, ledger)
    assert ledger.refused.wait(5)
    journal.append([request(b"3")])
    assert consumer.catch_up(30)
    assert ledger.batches[0] == [b"1", b"2"]
    assert ledger.taken == [b"1", b"2", b"3"]
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]


def test_a_store_that_has_refused_for_long_is_not_waited_for(open_journal: Open, consume: Consume) -> None:
    """Questions are answered from what the store has, rather than each waiting in vain."""
    journal, ledger = open_journal(), Ledger(*[StoreUnavailableError("down")] * 100)
    journal.append([request()])
    consumer = consume(journal, ledger)
    assert ledger.refused.wait(5)
    assert not consumer.catch_up(patience_s=0.05)


def test_a_stop_drains_and_with_no_store_leaves_the_rest_on_disk(open_journal: Open, consume: Consume) -> None:
    """SIGTERM takes what it can; what the store refuses is there at the next start."""
    journal, ledger = open_journal(), Ledger()
    consumer = consume(journal, ledger, wait_s=3600)
    journal.append([request(b"1")])
    consumer.stop(drain_s=60)
    assert (ledger.taken, journal.depth.entries) == ([b"1"], 0)
    journal.append([request(b"2")])
    down = Ledger(*[StoreUnavailableError("down")] * 100)
    consumer = consume(journal, down)
    assert down.refused.wait(5)
    consumer.stop(drain_s=60)
    assert bodies(everything(journal)) == [b"2"]


class Begun:
    """A process function that begins batches, whose futures the test settles."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.futures: list[Future[None]] = []
        self.came = threading.Semaphore(0)

    def __call__(self, entries: Sequence[Entry]) -> Future[None]:
        """Begin with entries."""
        self.batches.append(bodies(entries))
        self.futures.append(Future())
        self.came.release()
        return self.futures[-1]

    def wait_for(self, batches: int) -> None:
        """Until so many more have begun."""
        for _ in range(batches):
            assert self.came.acquire(timeout=10)


def test_the_next_batch_begins_while_one_is_written(open_journal: Open, consume: Consume) -> None:
    """One ahead and no more, and nothing leaves the journal before it is done."""
    journal, begun = open_journal(), Begun()
    journal.append([request(b"%d" % number) for number in range(4)])
    consumer = consume(journal, begun, spans=1)
    begun.wait_for(2)
    assert not begun.came.acquire(timeout=0.1)
    assert (begun.batches, journal.depth.entries) == ([[b"0"], [b"1"]], 4)
    begun.futures[0].set_result(None)
    begun.wait_for(1)
    assert journal.depth.entries == 3
    begun.futures[1].set_result(None)
    begun.wait_for(1)
    for future in begun.futures[2:]:
        future.set_result(None)
    assert consumer.catch_up()
    assert (begun.batches[2:], journal.depth.entries) == ([[b"2"], [b"3"]], 0)


def test_what_waited_while_a_batch_was_written_goes_at_once(open_journal: Open, consume: Consume, clock: Clock) -> None:
    """It has waited as long as a batch waits for more."""
    journal, begun = open_journal(), Begun()
    journal.append([request(b"%d" % number) for number in range(3)])
    consumer = consume(journal, begun, spans=2, wait_s=3600)
    begun.wait_for(1)
    clock.now_s += 3600
    begun.futures[0].set_result(None)
    begun.wait_for(1)
    begun.futures[1].set_result(None)
    assert consumer.catch_up()
    assert begun.batches == [[b"0", b"1"], [b"2"]]


def test_a_batch_that_fails_while_the_next_has_begun_is_given_again(open_journal: Open, consume: Consume) -> None:
    """It alone where the next one came through, and that one too where it did not."""
    journal, begun = open_journal(), Begun()
    journal.append([request(b"%d" % number) for number in range(2)])
    consumer = consume(journal, begun, spans=1)
    begun.wait_for(2)
    begun.futures[0].set_exception(StoreUnavailableError("the store did not answer"))
    begun.wait_for(1)
    begun.futures[1].set_exception(StoreUnavailableError("the store did not answer"))
    begun.futures[2].set_result(None)
    begun.wait_for(1)
    assert (begun.batches, journal.depth.entries) == ([[b"0"], [b"1"], [b"0"], [b"1"]], 1)
    begun.futures[3].set_result(None)
    assert consumer.catch_up()
    assert journal.depth.entries == 0


@pytest.mark.parametrize("error", [BadInputError("attribute 7 is no text"), KeyError(SECRET)])
def test_only_the_request_that_fails_becomes_a_dead_letter(
    open_journal: Open, consume: Consume, tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with one request, the others of its batch are processed; no reason or log quotes it."""
    journal, taken = open_journal(), []

    def process(entries: Sequence[Entry]) -> None:
        if b"bad" in bodies(entries):
            raise error
        taken.extend(bodies(entries))

    journal.append([request(b"bad" if number == 11 else b"%d" % number) for number in range(20)])
    assert consume(journal, process).catch_up()
    assert taken == [b"%d" % number for number in range(20) if number != 11]
    assert journal.depth.entries == 0
    letter, reason = sorted((tmp_path / "dead_letter").iterdir())
    assert (letter.name, letter.read_bytes()) == ("20231114T221320.000Z-12.traces.bin", b"bad")
    assert reason.name == f"{letter.name}.txt"
    assert ("attribute 7 is no text" if isinstance(error, BadInputError) else "KeyError") in reason.read_text()
    assert SECRET not in reason.read_text() + caplog.text
    assert letter.stat().st_mode & 0o077 == 0


class Small:
    """A store that takes at most so many bytes at once, and nothing while it is ``down``."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.down = False
        self.taken: list[bytes] = []

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Take entries."""
        if self.down or sum(map(len, bodies(entries))) > self.most_bytes:
            raise StoreUnavailableError("the store cannot answer now", 241)
        self.taken.extend(body for body in bodies(entries) if body not in self.taken)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is tried again at once."""
    monkeypatch.setattr(consumer_module, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(consumer_module, "_LONGEST_PAUSE_S", 0.01)


def test_a_batch_that_is_too_much_at_once_goes_in_parts(
    open_journal: Open, consume: Consume, no_pauses: None, tmp_path: Path
) -> None:
    """A batch beyond the store's memory passes in halves of halves, in order, and nothing becomes a dead letter."""
    journal, store = open_journal(), Small(most_bytes=3)
    journal.append([request(b"%02d" % number) for number in range(20)])
    assert consume(journal, store).catch_up()
    assert store.taken == [b"%02d" % number for number in range(20)]
    assert journal.depth.entries == 0
    assert not (tmp_path / "dead_letter").exists()


def test_only_what_the_store_refuses_while_it_takes_others_is_given_up(
    open_journal: Open, consume: Consume, no_pauses: None, tmp_path: Path
) -> None:
    """Requests that are too large each become a dead letter with the reason; those around them are processed."""
    journal, store = open_journal(), Small(most_bytes=50)
    sent = [b"x" * 60 + b"%d" % number if number in (0, 3, 4) else b"%d" % number for number in range(9)]
    journal.append([request(body) for body in sent])
    assert consume(journal, store).catch_up(30)
    assert store.taken == [body for body in sent if len(body) < 50]
    letters = sorted((tmp_path / "dead_letter").glob("*.bin"))
    assert [letter.read_bytes() for letter in letters] == [sent[0], sent[3], sent[4]]
    reason = letters[0].with_name(f"{letters[0].name}.txt").read_text()
    assert reason.startswith("the store refused it again and again while it took others")
    assert "code 241" in reason


def test_a_store_that_takes_nothing_makes_no_dead_letters(
    open_journal: Open, consume: Consume, no_pauses: None, tmp_path: Path
) -> None:
    """However long it is away, nobody is to blame: all is taken when it is back, and the only request waits for one."""
    journal, store = open_journal(), Small(most_bytes=10)
    store.down = True
    journal.append([request(b"%d" % number) for number in range(8)])
    consumer = consume(journal, store)
    assert not consumer.catch_up(0.5)
    store.down = False
    assert consumer.catch_up(30)
    assert len(store.taken) == 8
    journal.append([request(b"y" * 20)])
    assert not consumer.catch_up(0.5)
    assert not (tmp_path / "dead_letter").exists()
    journal.append([request(b"more")])
    assert consumer.catch_up(30)
    assert store.taken[-1] == b"more"
    assert len(list((tmp_path / "dead_letter").glob("*.bin"))) == 1


def test_a_dead_letter_is_read_by_import(open_journal: Open, consume: Consume, tmp_path: Path) -> None:
    """Once the cause is mended, the file is an OTLP file like any other."""
    (sent,) = read_requests(Path(__file__).parents[1] / "corpus" / "genai_openai" / "traces-001.bin")
    journal = open_journal()
    journal.append([request(sent.body.SerializeToString(), sent.spans)])

    def process(_: Sequence[Entry]) -> None:
        raise ArithmeticError

    assert consume(journal, process).catch_up()
    (letter,) = (tmp_path / "dead_letter").glob("*.bin")
    (again,) = read_requests(letter)
    assert again.body == sent.body


def test_while_no_dead_letter_can_be_written_the_request_stays(
    open_journal: Open, consume: Consume, tmp_path: Path
) -> None:
    """A full disk is no reason to lose what cannot be processed."""
    (tmp_path / "dead_letter").write_text("in the way")
    journal = open_journal()
    journal.append([request(b"bad")])

    def process(_: Sequence[Entry]) -> None:
        raise ArithmeticError

    consumer = consume(journal, process)
    assert not consumer.catch_up(0.3)
    assert bodies(everything(journal)) == [b"bad"]
    (tmp_path / "dead_letter").unlink()
    assert consumer.catch_up(30)
    assert len(list((tmp_path / "dead_letter").glob("*.bin"))) == 1


def test_an_end_that_nobody_foresaw_is_told(
    open_journal: Open, consume: Consume, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that nothing is processed any more, in its own form and without a value; the requests stay."""
    journal = open_journal()
    monkeypatch.setattr(journal, "remove", lambda _: {}["secret"])
    consumer = consume(journal, lambda _: None)
    journal.append([request()])
    consumer.arrived()
    consumer._thread.join(30)
    assert not consumer.is_alive
    assert "nothing leaves the journal any more until a restart, as KeyError at" in caplog.text
    assert "secret" not in caplog.text
    assert len(everything(journal)) == 1
