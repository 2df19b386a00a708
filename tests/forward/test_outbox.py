"""What waits for the target: its bounds, its order, and that the ledger goes on whatever happens to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from prometheus_client import REGISTRY

from spanledger_collector.journal import BatchLimits, Consumer, DeadLetters

from .conftest import Chain, a_call, attributes, fill, spans_of


def given_up() -> tuple[float, float]:
    """Requests and spans, as the metrics say."""
    names = ("spanledger_forward_given_up_requests_total", "spanledger_forward_given_up_spans_total")
    requests, spans = (REGISTRY.get_sample_value(name) or 0.0 for name in names)
    return requests, spans


def ids_of(chain: Chain) -> list[int]:
    """The span ids that wait."""
    return [int.from_bytes(span.span_id) for span in spans_of(chain.outgoing())]


def test_over_its_size_the_oldest_are_given_up_and_counted(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    """The journal itself takes what comes, the ledger has it all, and the log says it once, not for each."""
    fill(chain, 2)
    size_bytes = chain.outbox.depth.size_bytes
    chain.restart(max_bytes=3 * size_bytes + 10)
    before = given_up()
    fill(chain, 3, 4, 5, 6)
    assert chain.outbox.depth.entries == 3
    assert chain.outbox.depth.size_bytes <= 3 * size_bytes + 10
    assert given_up() == (before[0] + 2, before[1] + 2)
    assert ids_of(chain) == [4, 5, 6]
    assert len(chain.ledger.calls()) == 5
    assert len([r for r in caplog.records if "forward.max_bytes" in r.getMessage()]) == 1
    chain.journal.check_room(1)


def test_what_waited_too_long_is_given_up_by_its_time_in_the_outbox(chain: Chain) -> None:
    """A store that was away does not make requests old, only the target does."""
    chain.restart(max_age_s=100)
    chain.receive(a_call(2))
    chain.now_s += 1000
    chain.process()
    assert chain.outbox.depth.entries == 1
    chain.now_s += 90
    fill(chain, 3)
    assert chain.outbox.depth.lag_s(chain.now_s) == 90
    before = given_up()
    chain.now_s += 20
    chain.staging.give_up()
    assert given_up() == (before[0] + 1, before[1] + 1)
    assert chain.outbox.depth.lag_s(chain.now_s) == 20
    assert ids_of(chain) == [3]


def test_on_a_short_disk_what_comes_takes_the_room_of_the_oldest(chain: Chain) -> None:
    """What waits for the target never takes what the ledger needs of the disk."""
    fill(chain, 2, 3, 4)
    chain.restart(min_free_bytes=1 << 62)
    entries = [replace(entry, sequence=entry.sequence + 10) for entry in chain.outbox.read(10**6)[-1:]]
    chain.process_only(entries)
    assert [entry.sequence for entry in chain.outbox.read(10**6)] == [2, 3, 13]


def test_what_waits_survives_a_restart_and_no_number_is_given_twice(chain: Chain) -> None:
    """An empty journal with a full outbox goes on counting where it was."""
    fill(chain, 2, 3)
    depth = chain.outbox.depth
    chain.restart()
    assert chain.outbox.depth == depth
    fill(chain, 4)
    assert ids_of(chain) == [2, 3, 4]
    assert chain.outbox.depth.entries == chain.journal.depth.entries == 0


def test_what_cannot_be_processed_goes_on_as_it_came(chain: Chain) -> None:
    """A request that the consumer buries leaves the journal into the outbox, without additions."""
    chain.receive(a_call(2))
    entries = chain.journal.read(max_spans=10, max_bytes=10**6)
    chain.journal.remove(entries)
    (span,) = spans_of(chain.outgoing())
    assert "spanledger.kind" not in attributes(span)


def test_requests_are_read_signal_by_signal(chain: Chain) -> None:
    """What is joined to one request is of one signal, in the order of arrival."""
    fill(chain, 2, 3)
    chain.receive(ExportLogsServiceRequest())
    chain.process()
    fill(chain, 4)
    read = []
    while entries := chain.outbox.read(10**6):
        read.append([entry.request.signal for entry in entries])
        chain.outbox.remove(entries)
    assert read == [["traces", "traces"], ["logs"], ["traces"]]


def test_a_target_that_was_taken_away_leaves_what_waits_where_it_is(chain: Chain) -> None:
    """Nothing more is staged then; the mark is kept in the file, for the commands that find what was left."""
    fill(chain, 2)
    chain.outbox.switch(on=False)
    chain.receive(a_call(3))
    chain.journal.remove(chain.journal.read(max_spans=10, max_bytes=10**6))
    assert chain.outbox.depth.entries == 1
    chain.outbox.switch(on=True)
    chain.journal.close()
    reopened = Chain(chain.folder)
    assert reopened.was_on
    assert ids_of(reopened) == [2]
    reopened.journal.close()


def test_a_question_waits_for_nothing_that_is_only_outgoing(chain: Chain, tmp_path: Path) -> None:
    """After a restart all that was acknowledged is in the ledger, however much waits for the target."""
    fill(chain, 2)
    chain.restart()
    limits = BatchLimits(spans=1, size_bytes=1, wait_s=0)
    assert Consumer(chain.journal, chain.process_only, DeadLetters(tmp_path / "dead_letter"), limits).catch_up(0)
