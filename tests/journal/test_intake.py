"""What the entrances see of the journal: success after the commit, refusals at the bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.journal import Bounds, Intake, Journal
from spanledger_collector.journal.errors import JournalUnavailableError
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.submit import Outcome, Received

from .conftest import everything

Open = Callable[..., Journal]


def received(name: str, spans: int = 1) -> Received:
    """A request with ``spans`` spans of one name."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for _ in range(spans):
        scope.spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8)
    return Received("traces", request, request.ByteSize())


def intake_of(journal: Journal, max_pending_bytes: int = 10**6) -> Intake:
    """An intake that wants everything."""
    return Intake(journal, wanted=lambda _: True, arrived=lambda: None, max_pending_bytes=max_pending_bytes)


async def test_success_means_on_disk(open_journal: Open) -> None:
    """Once submit has returned, a restart finds the request as it was."""
    intake = intake_of(open_journal())
    sent = received("one", spans=3)
    assert await intake.submit(sent) == Outcome()
    (entry,) = everything(open_journal())
    assert (entry.request.parse(), entry.request.spans) == (sent.body, 3)
    await intake.stop()


async def test_requests_that_arrive_together_share_a_commit(open_journal: Open) -> None:
    """While one commit waits for the disk, the others gather for the next; all are written, in order."""
    journal = open_journal()
    commits: list[int] = []
    append = journal.append
    journal.append = lambda requests: (commits.append(len(requests)), append(requests))[1]  # type: ignore[method-assign]
    intake = intake_of(journal)
    await asyncio.gather(*(intake.submit(received(str(number))) for number in range(50)))
    await intake.stop()
    names = [e.request.parse().resource_spans[0].scope_spans[0].spans[0].name for e in everything(journal)]
    assert names == [str(number) for number in range(50)]
    assert len(commits) <= 2


async def test_a_full_journal_refuses_and_takes_again_when_there_is_room(open_journal: Open) -> None:
    """QueueFullError becomes RESOURCE_EXHAUSTED or 429; nothing of a refused request is kept."""
    journal = open_journal(Bounds(max_bytes=200, max_age_s=60, min_free_bytes=0))
    intake = intake_of(journal)
    await intake.submit(received("first"))
    assert intake.has_room
    with pytest.raises(QueueFullError):
        await intake.submit(received("x" * 500))
    assert len(everything(journal)) == 1
    assert not intake.has_room
    journal.remove(everything(journal))
    assert intake.has_room
    assert await intake.submit(received("x" * 500)) == Outcome()
    assert not intake.has_room
    await intake.stop()


async def test_a_disk_that_does_not_keep_up_bounds_what_is_in_memory(open_journal: Open) -> None:
    """Beyond max_pending_bytes clients are told to slow down instead of filling the memory."""
    intake = intake_of(open_journal(), max_pending_bytes=1000)
    outcomes = await asyncio.gather(*(intake.submit(received("x" * 300)) for _ in range(10)), return_exceptions=True)
    assert Outcome() in outcomes
    assert {type(outcome) for outcome in outcomes} == {Outcome, QueueFullError}
    await intake.stop()


async def test_a_journal_that_cannot_be_written_is_told_to_every_sender(open_journal: Open) -> None:
    """No success without a commit: all that shared the failed one are told to try again."""
    journal = open_journal()
    intake = intake_of(journal)
    journal.close()
    outcomes = await asyncio.gather(*(intake.submit(received("x")) for _ in range(3)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {JournalUnavailableError}
    await intake.stop()


async def test_a_client_that_gave_up_does_not_stop_the_others(open_journal: Open) -> None:
    """What a cancelled call sent may be stored; the calls beside it are answered."""
    journal = open_journal()
    intake = intake_of(journal)
    impatient = asyncio.create_task(intake.submit(received("impatient")))
    patient = asyncio.create_task(intake.submit(received("patient")))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == Outcome()
    assert len(everything(journal)) == 2
    await intake.stop()
