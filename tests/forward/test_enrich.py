"""What is added to forwarded spans: everything that came goes on, and each call's cost goes on once."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.config import RedactionRule
from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.merge import LedgerRow, fold
from spanledger_collector.model import Fact
from spanledger_collector.normalise.logs import EVENTS
from spanledger_collector.receive.files import read_requests
from spanledger_collector.receive.redact import Redaction
from spanledger_collector.receive.submit import ExportRequest
from spanledger_collector.testing import MemoryCollector

from .conftest import CORPUS, Chain, a_call, attributes, cost_usd, spans_of

EMITTERS = sorted(path.name for path in CORPUS.iterdir() if any(path.glob("traces-*")))
ADDED = (
    "spanledger.kind",
    "spanledger.call_id",
    "spanledger.cost_usd",
    "spanledger.price.status",
    "spanledger.price.card",
)


def requests_of(emitter: str) -> list[ExportRequest]:
    """All that an emitter sent."""
    paths = sorted(path for path in (CORPUS / emitter).rglob("*") if path.is_file() and path.name != "expected.json")
    return [received.body for path in paths for received in read_requests(path)]


def cost_of_spans_usd(ledger: MemoryLedger) -> float:
    """What the ledger says of the calls that have a span; some are known from log records only."""
    rows = fold(ledger.facts).values()
    with_span = {row.key[1] for row in rows if any(fact.scope not in EVENTS for fact in row.copies)}
    return float(sum(call.cost_usd for call in ledger.calls() if call.cost_usd and call.call_id in with_span))


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_came_goes_on_with_additions_and_costs_what_the_ledger_says(chain: Chain, emitter: str) -> None:
    """Without the attributes at their ends the requests are what came, and the costs among these make the ledger's."""
    came = requests_of(emitter)
    went = chain.send(*came)
    assert cost_usd(went) == pytest.approx(cost_of_spans_usd(chain.ledger), rel=1e-12)
    for span, original in zip(spans_of(went), spans_of(came), strict=True):
        names = [pair.key for pair in span.attributes[len(original.attributes) :]]
        assert all(name.startswith(("spanledger.", "gen_ai.")) for name in names)
        assert not {*names} & {pair.key for pair in original.attributes}
        del span.attributes[len(original.attributes) :]
    assert went == came


@pytest.mark.parametrize("emitter", EMITTERS)
def test_another_spanledger_behind_has_the_same_ledger(chain: Chain, emitter: str) -> None:
    """The additions mislead nobody who reads them, whose token counts stay in place; nor are they unread usage."""
    came = requests_of(emitter)
    first, behind = MemoryCollector(), MemoryCollector()
    first.send(*came)
    behind.send(*chain.send(*came))
    assert sum(c.cost_usd or 0 for c in behind.calls()) == sum(c.cost_usd or 0 for c in first.calls())
    assert [c.call_id for c in behind.calls()] == [c.call_id for c in first.calls()]
    assert not any("spanledger." in fact.unread_usage_attributes for fact in behind.ledger.facts)


@pytest.mark.parametrize("seed", range(3))
def test_a_call_whose_copies_come_in_any_batches_is_told_a_cost_once(chain: Chain, seed: int) -> None:
    """Requests in any order and batches, some twice: no call id has two costs."""
    requests = [r for name in ("langgraph_openinference_both", "strands", "litellm_otel") for r in requests_of(name)]
    chance = random.Random(seed)
    sent = [*requests, *chance.choices(requests, k=len(requests) // 2)]
    chance.shuffle(sent)
    went = [request for start in range(0, len(sent), 3) for request in chain.send(*sent[start : start + 3])]
    told = [attributes(span) for span in spans_of(went)]
    # A tool costs nothing, however often it is told.
    bearing = [a["spanledger.call_id"] for a in told if a.get("spanledger.cost_usd")]
    assert bearing
    assert len(bearing) == len(set(bearing))
    assert not any("spanledger.cost_usd" in a for a in told if "spanledger.duplicate_of" in a)


def test_a_later_copy_names_the_span_that_has_the_cost(chain: Chain) -> None:
    """The copy of a second instrumentor, a batch later, bears no cost, nor the tokens once more."""
    (first,) = map(attributes, spans_of(chain.send(a_call(2))))
    assert {name: first[name] for name in ADDED if name not in ("spanledger.call_id", "spanledger.price.card")} == {
        "spanledger.kind": "llm",
        "spanledger.cost_usd": float(chain.cost_usd),
        "spanledger.price.status": "priced",
    }
    assert first["spanledger.price.card"]
    copy = a_call(3, scope="another", gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None)
    (later,) = map(attributes, spans_of(chain.send(copy)))
    assert later["spanledger.duplicate_of"] == (2).to_bytes(8).hex()
    assert later["spanledger.call_id"] == first["spanledger.call_id"]
    assert not {"spanledger.cost_usd", "spanledger.price.status", "gen_ai.usage.input_tokens"} & later.keys()


def test_a_cost_that_becomes_known_late_goes_with_the_span_that_makes_it_known(chain: Chain) -> None:
    """Pending, then whole: the first says that nothing is known of its cost, the second bears it."""
    unknown = a_call(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None)
    (pending,) = map(attributes, spans_of(chain.send(unknown)))
    assert "spanledger.cost_usd" not in pending
    assert pending["spanledger.price.status"]
    (whole,) = map(attributes, spans_of(chain.send(a_call())))
    assert whole["spanledger.cost_usd"] == float(chain.cost_usd) > 0
    (again,) = map(attributes, spans_of(chain.send(a_call())))
    assert "spanledger.cost_usd" not in again


def test_of_a_span_that_came_twice_in_a_batch_the_last_bears_the_cost(chain: Chain) -> None:
    """A retry beside its first try, or a span that was sent pending."""
    first, last = map(attributes, spans_of(chain.send(a_call(), a_call())))
    assert "spanledger.cost_usd" not in first
    assert first["spanledger.duplicate_of"] == (2).to_bytes(8).hex()
    assert last["spanledger.cost_usd"] == float(chain.cost_usd)


def test_canonical_names_are_added_and_nothing_that_is_there_is_changed(chain: Chain) -> None:
    """An emitter with names of another time gets those of today beside them; its own values stay."""
    request = a_call(
        gen_ai__provider__name=None,
        gen_ai__system="openai",
        gen_ai__usage__input_tokens=None,
        gen_ai__usage__prompt_tokens=1000,
        gen_ai__usage__output_tokens=None,
        gen_ai__usage__completion_tokens=100,
        spanledger__kind="mine",
    )
    (said,) = map(attributes, spans_of(chain.send(request)))
    assert (said["gen_ai.provider.name"], said["gen_ai.system"]) == ("openai", "openai")
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (1000, 100)
    assert said["spanledger.kind"] == "mine"
    assert sum(pair.key == "spanledger.kind" for pair in spans_of([request])[0].attributes) == 1


def test_fields_of_a_later_otlp_go_on(chain: Chain) -> None:
    """A field that this version does not know stays where it was."""
    request = ExportTraceServiceRequest()
    unknown = b"\xfa\x3e\x05later"
    span = a_call().resource_spans[0].scope_spans[0].spans[0].SerializeToString() + unknown
    parent = request.resource_spans.add().scope_spans.add()
    parent.spans.add().ParseFromString(span)
    (went,) = spans_of(chain.send(request))
    assert "spanledger.cost_usd" in attributes(went)
    assert unknown in went.SerializeToString()


def test_what_another_spanledger_decided_stands(chain: Chain) -> None:
    """A span that has a call id was forwarded before, and its cost went with whichever span that one chose."""
    (went,) = chain.send(a_call(spanledger__call_id="theirs", spanledger__duplicate_of="0f"))
    assert went == a_call(spanledger__call_id="theirs", spanledger__duplicate_of="0f")


def test_what_is_redacted_under_one_name_is_not_told_under_another(chain: Chain) -> None:
    """Rules hold for the names that are added, too; the cost is no part of what came, and stays."""
    rules = [
        RedactionRule(name="gen_ai.provider.name", action="drop"),
        RedactionRule(name="gen_ai.usage.input_tokens", action="mask"),
        RedactionRule(name="spanledger.*", action="drop"),
    ]
    chain.restart(redaction=Redaction(rules))
    request = a_call(
        gen_ai__provider__name=None,
        gen_ai__system="openai",
        gen_ai__usage__input_tokens=None,
        gen_ai__usage__prompt_tokens=1000,
    )
    (said,) = map(attributes, spans_of(chain.send(request)))
    assert "gen_ai.provider.name" not in said
    assert said["gen_ai.usage.input_tokens"] == "***"
    assert said["spanledger.cost_usd"] == float(chain.cost_usd)


def test_logs_go_on_as_they_came_and_a_span_bears_the_cost_of_their_call(chain: Chain, tmp_path: Path) -> None:
    """Records are not changed; what they alone tell stays in the ledger until a span of the call comes."""
    came = requests_of("gemini_cli")
    logs = [request for request in came if not isinstance(request, ExportTraceServiceRequest)]
    traces = [request for request in came if isinstance(request, ExportTraceServiceRequest)]
    assert chain.send(*logs) == logs
    assert chain.cost_usd > 0
    assert cost_usd(chain.send(*traces)) == pytest.approx(cost_of_spans_usd(chain.ledger), rel=1e-12)


class Interrupted(MemoryLedger):
    """Refuses facts while ``down``, as if the process had ended after the rows."""

    down = True

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``MemoryLedger``."""
        if self.down:
            raise StoreUnavailableError("the store did not answer")
        super().write_facts(facts)


def test_a_batch_that_is_processed_again_after_a_crash_is_staged_once(tmp_path: Path) -> None:
    """Sent before the crash or not, more requests behind it or not: one copy of each, and one cost a call."""
    ledger = Interrupted()
    chain = Chain(tmp_path, ledger)
    chain.receive(a_call(2), a_call(3, scope="another"))
    with pytest.raises(StoreUnavailableError):
        chain.process()
    sent = chain.outgoing()
    chain.restart()
    chain.receive(a_call(4, scope="a third"))
    ledger.down = False
    chain.process()
    assert chain.outgoing() == []
    chain.process()
    later = chain.outgoing()
    assert [len(spans_of(requests)) for requests in (sent, later)] == [2, 1]
    assert cost_usd(sent) == float(chain.cost_usd) > 0
    assert cost_usd(later) == 0
    assert not chain.outbox.staged
    chain.journal.close()


class Flaky(MemoryLedger):
    """Fails before or after a write now and then, so that nobody knows whether it was done."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self.failures = 0

    def write_rows(self, rows: Collection[LedgerRow]) -> None:
        """See ``MemoryLedger``."""
        self._fail_sometimes()
        super().write_rows(rows)
        self._fail_sometimes()

    def write_facts(self, facts: Collection[Fact]) -> None:
        """See ``MemoryLedger``."""
        self._fail_sometimes()
        super().write_facts(facts)
        self._fail_sometimes()

    def _fail_sometimes(self) -> None:
        if self._chance.random() < 0.2:
            self.failures += 1
            raise StoreUnavailableError("the store did not answer")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_each_request_goes_on_once_and_so_does_each_cost(tmp_path: Path, seed: int) -> None:
    """The store fails at any write, the process ends after any failure, and more comes meanwhile."""
    chance = random.Random(seed)
    sent = [r for name in ("langgraph_openinference_both", "strands", "genai_openai") for r in requests_of(name)]
    chance.shuffle(sent)
    ledger = Flaky(seed)
    chain = Chain(tmp_path, ledger)
    waiting, went = list(sent), []
    while waiting or chain.journal.depth.entries:
        chain.receive(*(waiting.pop() for _ in range(min(chance.randint(0, 3), len(waiting)))))
        try:
            if chain.journal.depth.entries:
                chain.process()
        except StoreUnavailableError:
            if chance.random() < 0.5:
                went += chain.outgoing()
                chain.restart()
    went += chain.outgoing()
    chain.journal.close()
    assert ledger.failures
    assert sorted(span.span_id for span in spans_of(went)) == sorted(span.span_id for span in spans_of(sent))
    bearing = [a for a in map(attributes, spans_of(went)) if a.get("spanledger.cost_usd")]
    assert len({a["spanledger.call_id"] for a in bearing}) == len(bearing)
    assert {a["spanledger.call_id"] for a in bearing} == {c.call_id for c in ledger.calls() if c.cost_usd}
