"""The demo's agents differ as their descriptions promise, judged by what the provider billed."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from anthropic import Anthropic
from openai import OpenAI

from spanledger_collector.demo import ProviderCall, StandInProvider, agents, brain
from spanledger_collector.demo.agents import Clients

TaskBill = Callable[[Callable[[Clients, int], None], int], list[ProviderCall]]


@pytest.fixture
def demo_provider() -> Iterator[StandInProvider]:
    """A provider with the demo's brain."""
    with StandInProvider(brain.think) as provider:
        yield provider


@pytest.fixture
def bill(demo_provider: StandInProvider) -> Iterator[TaskBill]:
    """Give a function that does one task of an agent and gives the calls that it made."""
    with (
        OpenAI(base_url=demo_provider.openai_base_url, api_key="stand-in", max_retries=8) as openai_client,
        Anthropic(base_url=demo_provider.anthropic_base_url, api_key="stand-in") as anthropic_client,
    ):
        clients = Clients(openai_client, anthropic_client)

        def do(work: Callable[[Clients, int], None], number: int) -> list[ProviderCall]:
            before = len(demo_provider.calls)
            work(clients, number)
            return demo_provider.calls[before:]

        yield do


def test_fixer_loops(bill: TaskBill) -> None:
    """The fixer spends its whole step limit on ever larger prompts, most of them read from the cache."""
    calls = bill(agents.fix, 0)
    assert len(calls) == agents.FIXER_STEP_LIMIT == 40
    assert all(after.input_tokens > before.input_tokens for before, after in pairwise(calls))
    assert sum(call.cache_read_tokens for call in calls) > 0.9 * sum(call.input_tokens for call in calls)


def test_reader_resends(bill: TaskBill) -> None:
    """The reader's context grows from 3,000 tokens to more than 50,000, and none of it is cached."""
    calls = bill(agents.read, 0)
    assert len(calls) == brain.FILES_READ + 1
    assert calls[0].input_tokens < 4_000
    assert calls[-1].input_tokens > 50_000
    assert all(after.input_tokens - before.input_tokens > 5_500 for before, after in pairwise(calls))
    assert {(call.cache_read_tokens, call.cache_write_tokens) for call in calls} == {(0, 0)}


def test_reviewer_behaves(bill: TaskBill) -> None:
    """The reviewer makes three calls a task, and only the first writes the guide that all others read."""
    first, second = bill(agents.review, 0), bill(agents.review, 1)
    models = ["claude-haiku-4-5", "claude-sonnet-5", "claude-sonnet-5"]
    assert [call.request_model for call in first] == [call.request_model for call in second] == models
    guide_tokens = first[1].cache_write_1h_tokens
    assert guide_tokens > 14_000
    written = [call.cache_write_tokens for call in first + second]
    read = [call.cache_read_tokens for call in first + second]
    assert written == [0, guide_tokens, 0, 0, 0, 0]
    assert read == [0, 0, guide_tokens, 0, guide_tokens, guide_tokens]


def test_support_meets_a_storm_once(bill: TaskBill) -> None:
    """One ticket of three meets five 429s and one goes on to a reasoning model; all stream and search."""
    usual, storm, escalated = (bill(agents.support, number) for number in range(3))
    shape = [("chat_completions", True), ("embeddings", False), ("chat_completions", True)]
    assert [(call.api, call.stream) for call in usual] == shape
    assert [call.http_status for call in storm] == [429] * 5 + [200] * 3
    assert [(call.api, call.stream) for call in escalated] == [*shape, ("responses", False)]
    assert escalated[-1].reasoning_tokens > 0
    assert all(call.usage_reported for call in usual + escalated)


def test_same_tokens_every_time() -> None:
    """Two runs bill the same calls in the same order: only the response ids differ."""
    bills = []
    for _ in range(2):
        with StandInProvider(brain.think) as provider:
            agents.run_agents(provider, 1)
        bills.append(provider.calls)
    first, second = bills
    ids = [call.response_id for call in first + second if call.response_id]
    assert len(set(ids)) == len(ids)
    without_ids = [
        [tuple(getattr(call, name) for name in call.__slots__ if name != "response_id") for call in calls]
        for calls in bills
    ]
    assert without_ids[0] == without_ids[1]
    assert Counter(call.provider for call in first) == {"openai": 43, "anthropic": 13}
