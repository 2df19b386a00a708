"""The sender and a target over real sockets: in order, through absences and refusals, and never loud without end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from spanledger_collector.errors import BadInputError
from spanledger_collector.forward.errors import TargetNotNowError
from spanledger_collector.forward.sender import Sender
from spanledger_collector.forward.target import Target
from spanledger_collector.receive.errors import QueueFullError
from spanledger_collector.receive.submit import InMemorySubmit, Outcome, Received, Signal

from .conftest import Chain, Listen, a_call, cost_usd, fill, spans_of, target_at, until


class Sending:
    """Starts senders on the outbox of a chain; they are stopped at the end."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.started: list[Sender] = []

    def start(self, target: Target) -> Sender:
        """Begin to send there."""
        sender = Sender(self.chain.outbox, target, self.chain.staging)
        self.started.append(sender)
        sender.start()
        return sender

    async def until_empty(self) -> None:
        """Wait until nothing waits."""
        await until(lambda: not self.chain.outbox.depth.entries)


@pytest.fixture
def sending(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sending]:
    """With short pauses."""
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S"):
        monkeypatch.setattr(f"spanledger_collector.forward.sender.{name}", 0.02)
    made = Sending(chain)
    yield made
    for sender in made.started:
        sender.stop(0)


def ids_in(submit: InMemorySubmit) -> list[int]:
    """The span ids that arrived, in their order."""
    return [int.from_bytes(span.span_id) for span in spans_of([received.body for received in submit.requests])]


def value(name: str) -> float:
    """What a counter of the sender's says."""
    return REGISTRY.get_sample_value(f"spanledger_forward_{name}_total") or 0.0


@pytest.mark.parametrize("scheme", ["http", "grpc"])
async def test_what_is_staged_arrives_priced_and_in_order(
    chain: Chain, sending: Sending, listen: Listen, scheme: str
) -> None:
    """What was there at the start goes first; the sum at the target is the ledger's."""
    submit = InMemorySubmit()
    fill(chain, 2, 3)
    before = value("sent_spans")
    sender = sending.start(target_at(await listen(submit), scheme))
    fill(chain, 4)
    sender.staged()
    await sending.until_empty()
    await asyncio.to_thread(sender.stop, 5)
    assert ids_in(submit) == [2, 3, 4]
    assert cost_usd([received.body for received in submit.requests]) == pytest.approx(float(chain.cost_usd))
    assert value("sent_spans") == before + 3


async def test_a_target_that_goes_and_comes_back_has_everything(
    chain: Chain, sending: Sending, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away the ledger takes all that comes, and the log says so once; nothing is lost."""
    caplog.set_level(logging.INFO)
    submit = InMemorySubmit()
    servers = await listen(submit)
    port = servers.http_port
    sender = sending.start(target_at(servers))
    fill(chain, 2)
    sender.staged()
    await sending.until_empty()
    await servers.stop()
    fill(chain, 3, 4)
    sender.staged()
    await until(lambda: "wait to be forwarded" in caplog.text)
    assert len(chain.ledger.calls()) == 3
    await asyncio.sleep(0.2)
    await listen(submit, port)
    await sending.until_empty()
    await asyncio.to_thread(sender.stop, 5)
    assert ids_in(submit) == [2, 3, 4]
    assert caplog.text.count("wait to be forwarded") == 1
    assert caplog.text.count("forwarded again") == 1
    assert "secret" not in caplog.text


async def test_what_is_left_at_a_stop_is_sent_after_the_next_start(
    chain: Chain, sending: Sending, listen: Listen
) -> None:
    """A target that is away holds no stop up; the file keeps what waits."""
    servers = await listen(InMemorySubmit())
    await servers.stop()
    fill(chain, 2, 3)
    sender = sending.start(target_at(servers))
    await asyncio.to_thread(sender.stop, 60)
    chain.restart()
    submit = InMemorySubmit()
    sending.start(target_at(await listen(submit)))
    await sending.until_empty()
    assert ids_in(submit) == [2, 3]


async def test_a_pause_that_the_target_asks_for_is_kept(
    chain: Chain, sending: Sending, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After holds off the next try, however short our own pauses are."""
    submit = InMemorySubmit([QueueFullError("full", 60.0)])
    fill(chain, 2)
    sender = sending.start(target_at(await listen(submit)))
    await until(lambda: not submit.failures)
    await asyncio.sleep(0.3)
    assert submit.requests == []
    await asyncio.to_thread(sender.stop, 60)
    assert chain.outbox.depth.entries == 1


class Through:
    """A target that is a function."""

    def __init__(self, send: Callable[[Signal, bytes], int]) -> None:
        self.send = send


class Choosy(InMemorySubmit):
    """Refuses requests that hold the span 4, and quotes what it was sent."""

    async def submit(self, request: Received) -> Outcome:
        """See ``Submit``."""
        if any(span.span_id == (4).to_bytes(8) for span in spans_of([request.body])):
            raise BadInputError("the prompt itself")
        return await super().submit(request)


async def test_a_request_that_is_refused_for_good_is_dropped_alone(
    chain: Chain, sending: Sending, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """Its neighbours arrive, it is counted, and the log has nothing of what the target said."""
    fill(chain, 2, 3, 4, 5)
    before = value("refused_requests")
    submit = Choosy()
    sending.start(target_at(await listen(submit)))
    await sending.until_empty()
    assert sorted(ids_in(submit)) == [2, 3, 5]
    assert value("refused_requests") == before + 1
    assert "are dropped" in caplog.text
    assert "prompt" not in caplog.text


async def test_what_a_target_rejects_of_a_request_is_counted(chain: Chain, sending: Sending, listen: Listen) -> None:
    """``partial_success`` is for good: it is not sent again."""
    fill(chain, 2, 3)
    before = value("refused_spans"), value("sent_spans")
    sending.start(target_at(await listen(InMemorySubmit(outcome=Outcome(1, "too old")))))
    await sending.until_empty()
    sending.started[0].stop(5)
    assert (value("refused_spans"), value("sent_spans")) == (before[0] + 1, before[1] + 1)


async def test_a_target_without_an_entrance_for_spans_may_get_one(
    chain: Chain, sending: Sending, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong path is a setting to be mended: the spans wait for that."""
    fill(chain, 2)
    submit = InMemorySubmit()
    sender = sending.start(target_at(await listen(submit), path="/wrong"))
    await until(lambda: "no entrance for traces" in caplog.text)
    await asyncio.to_thread(sender.stop, 5)
    assert chain.outbox.depth.entries == 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
async def test_a_request_that_is_too_large_for_the_target_is_sent_in_parts(
    chain: Chain, sending: Sending, listen: Listen, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each span arrives once, in order, but the one that is too large by itself; a pause in between repeats nothing."""
    submit = InMemorySubmit()
    whole = ExportTraceServiceRequest()
    for span_id in range(2, 12):
        call = a_call(span_id, trace_id=span_id, gen_ai__response__id="", text="x" * (9_000 if span_id == 5 else 500))
        whole.MergeFrom(call)
    chain.receive(whole)
    chain.process()
    before = value("refused_spans")
    target = target_at(await listen(submit, max_request_bytes=4_000), scheme)
    paused: list[bool] = []

    def interrupted(signal: Signal, body: bytes) -> int:
        if len(submit.requests) == 2 and not paused:
            paused.append(True)
            raise TargetNotNowError("later")
        return target.send(signal, body)

    sending.start(Through(interrupted))
    await sending.until_empty()
    await asyncio.to_thread(sending.started[0].stop, 5)
    assert paused
    assert ids_in(submit) == [2, 3, 4, *range(6, 12)]
    assert value("refused_spans") == before + 1
    assert "parts of 1 requests are dropped" in caplog.text
