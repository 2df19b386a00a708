"""The demo's agents: real SDK calls whose cost only a ledger shows.

* ``fixer`` runs the same failing tests again and again until its step limit.
* ``reader`` re-sends a context that grows by a file a turn, and never asks for the cache.
* ``reviewer`` behaves: a small model decides whether a large one is needed, whose long guide is cached.
* ``support`` streams, searches by embeddings, meets a storm of 429s once, and escalates every third ticket.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

import spanledger
from spanledger_collector.demo import brain
from spanledger_collector.demo.launch import FIRST_TASK
from spanledger_collector.demo.provider import StandInProvider
from spanledger_collector.demo.texts import source_file, words

FIXER_STEP_LIMIT = 40
MAX_OUTPUT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Clients:
    """The two SDKs, pointed at the stand-in provider."""

    openai: OpenAI
    anthropic: Anthropic


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, for whom it works, and how it does task number 0, 1, 2, ..."""

    name: str
    team: str
    users: tuple[str, ...]
    task_prefix: str
    work: Callable[[Clients, int], None]


class FailingTestsError(Exception):
    """The tests did not pass."""


@spanledger.tool
def run_tests(path: str, *, tool_call_id: str) -> str:
    """A test run that fails in the same way however often it is repeated."""
    raise FailingTestsError(f"{path}: 1 failed, 41 passed\n{words(250)}")


@spanledger.tool
def read_file(path: str, *, tool_call_id: str) -> str:
    """A source file of 5,500 tokens."""
    return source_file(path, 5500)


@spanledger.tool
def post_comment(line: int, comment: str, *, tool_call_id: str) -> str:
    """A review comment, taken."""
    return f"posted at line {line} ({len(comment)} characters)"


def fix(clients: Clients, number: int) -> None:
    """Ask, run the tests, show the failure, ask again: the failure never changes, nor does what follows."""
    messages: list[Any] = [
        {"role": "system", "content": f"{brain.FIXER} {words(2000)}"},
        {"role": "user", "content": source_file(f"bug {number}: src/checkout.py", 9000)},
    ]
    for _ in range(FIXER_STEP_LIMIT):
        completion = clients.openai.chat.completions.create(
            model="gpt-4.1", messages=messages, tools=[_openai_tool("run_tests", path="string")]
        )
        message = completion.choices[0].message
        messages.append(message.to_dict())
        for call in message.tool_calls or ():
            try:
                output = run_tests(**_arguments(call), tool_call_id=call.id)
            except FailingTestsError as failure:
                output = str(failure)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})


def read(clients: Clients, number: int) -> None:
    """Read a repository file by file; each turn sends all files so far again, at the full rate."""
    messages: list[Any] = [{"role": "user", "content": f"Summarise repository {number}."}]
    while True:
        message = clients.anthropic.messages.create(
            model="claude-sonnet-5",
            max_tokens=MAX_OUTPUT_TOKENS,
            system=f"{brain.READER} {words(3000)}",
            messages=messages,
            tools=[_anthropic_tool("read_file", path="string")],
        )
        results = _tool_results(message, read_file)
        if not results:
            return
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


def review(clients: Clients, number: int) -> None:
    """Let a small model look at the change, and a large one with a cached guide only where it is risky."""
    diff = source_file(f"change {number}: src/invoice.py", 1800)
    question: list[Any] = [{"role": "user", "content": diff}]
    instruction = f"{brain.REVIEWER} Say safe or risky."
    triage = clients.anthropic.messages.create(
        model="claude-haiku-4-5", max_tokens=16, system=instruction, messages=question
    )
    if triage.content[0].type != "text" or triage.content[0].text != "risky":
        return
    hour: Any = {"type": "ephemeral", "ttl": "1h"}
    request: Any = {
        "model": "claude-sonnet-5",
        "max_tokens": MAX_OUTPUT_TOKENS,
        "system": [{"type": "text", "text": f"{brain.REVIEWER} {words(14000)}", "cache_control": hour}],
        "tools": [_anthropic_tool("post_comment", line="integer", comment="string")],
    }
    message = clients.anthropic.messages.create(messages=question, **request)
    results = _tool_results(message, post_comment)
    question += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    clients.anthropic.messages.create(messages=question, **request)


def support(clients: Clients, number: int) -> None:
    """Answer a ticket from the help articles, streaming; every third one goes to a reasoning model."""

    @spanledger.tool
    def search_articles(query: str, *, tool_call_id: str) -> str:
        clients.openai.embeddings.create(model="text-embedding-3-small", input=query + words(200))
        return source_file("help/refunds.md", 3000)

    occasion = brain.RATE_LIMITED_WORDS if number == 1 else "sale"
    ticket = f"Ticket {number}: an order of our {occasion} was billed twice. {words(400)}"
    messages: list[Any] = [
        {"role": "system", "content": f"{brain.SUPPORT} {words(5000)}"},
        {"role": "user", "content": ticket},
    ]
    for _ in range(2):
        with clients.openai.chat.completions.stream(
            model="gpt-4.1-mini",
            messages=messages,
            tools=[_openai_tool("search_articles", query="string")],
            stream_options={"include_usage": True},
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        messages.append(message.to_dict())
        for call in message.tool_calls or ():
            passages = search_articles(**_arguments(call), tool_call_id=call.id)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": passages})
    if number % 3 == 2:
        instructions = f"{brain.SUPPORT} {words(1000)}"
        clients.openai.responses.create(model="o4-mini", instructions=instructions, input=ticket)


AGENTS = (
    Agent("fixer", "payments", ("dana", "li"), "BUG", fix),
    Agent("reader", "research", ("eli",), "DOC", read),
    Agent("reviewer", "platform", ("noor", "sam"), "PR", review),
    Agent("support", "helpdesk", ("mia", "omar", "tess"), "TICKET", support),
)


def run_agents(provider: StandInProvider, tasks_per_agent: int, first_task: int = FIRST_TASK) -> None:
    """Let each agent do its tasks (``BUG-101``, ``BUG-102``, ... from ``first_task`` on), in turns."""
    with (
        OpenAI(base_url=provider.openai_base_url, api_key="stand-in", max_retries=8) as openai_client,
        Anthropic(base_url=provider.anthropic_base_url, api_key="stand-in") as anthropic_client,
    ):
        clients = Clients(openai_client, anthropic_client)
        for number in range(tasks_per_agent):
            for agent in AGENTS:
                user = agent.users[number % len(agent.users)]
                task = f"{agent.task_prefix}-{first_task + number}"
                with spanledger.task(task, agent=agent.name, team=agent.team, user=user):
                    agent.work(clients, number)


def _openai_tool(name: str, **parameters: str) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": _schema(parameters)}}


def _anthropic_tool(name: str, **parameters: str) -> Any:
    return {"name": name, "input_schema": _schema(parameters)}


def _schema(parameters: dict[str, str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in parameters.items()}}


def _arguments(call: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = json.loads(call.function.arguments)
    return arguments


def _tool_results(message: Any, tool: Callable[..., str]) -> list[Any]:
    return [
        {
            "type": "tool_result",
            "tool_use_id": block.id,
            "content": tool(**block.input, tool_call_id=block.id),
        }
        for block in message.content
        if block.type == "tool_use"
    ]
