"""What the stand-in model answers to the demo's agents, told apart by how their system prompts begin."""

from __future__ import annotations

from collections.abc import Callable

from spanledger_collector.demo.exchange import Failure, Reply, Request, ToolCall
from spanledger_collector.demo.texts import words
from spanledger_collector.errors import BadInputError

FIXER = "You are fixer."
READER = "You are reader."
REVIEWER = "You are reviewer."
SUPPORT = "You are support."

FILES_READ = 9
RATE_LIMITED_WORDS = "flash sale"
RATE_LIMITED_ATTEMPTS = 5


def think(request: Request) -> Reply:
    """The reply to any request of the demo's agents.

    Raises:
        BadInputError: the request is none of theirs.
    """
    if request.api == "embeddings":
        return Reply()
    for beginning, reply in REPLIES.items():
        if request.system.startswith(beginning):
            return reply(request)
    raise BadInputError("the demo's model knows only the demo's agents")


def _fixer(_request: Request) -> Reply:
    return Reply(words(60), (ToolCall("run_tests", {"path": "tests/test_checkout.py"}),))


def _reader(request: Request) -> Reply:
    if request.tool_results == FILES_READ:
        return Reply(words(900))
    return Reply(words(40), (ToolCall("read_file", {"path": f"src/part_{request.tool_results + 1}.py"}),))


def _reviewer(request: Request) -> Reply:
    if request.model == "claude-haiku-4-5":
        return Reply("risky")
    if request.tool_results:
        return Reply(words(30))
    return Reply("", (ToolCall("post_comment", {"line": 12, "comment": words(120)}),))


def _support(request: Request) -> Reply:
    if request.tool_results or request.api == "responses":
        return Reply(words(150))
    crowded = RATE_LIMITED_WORDS in request.last_user_text
    failure = Failure(429, RATE_LIMITED_ATTEMPTS) if crowded else None
    return Reply("", (ToolCall("search_articles", {"query": "refund of a split order"}),), failure=failure)


REPLIES: dict[str, Callable[[Request], Reply]] = {
    FIXER: _fixer,
    READER: _reader,
    REVIEWER: _reviewer,
    SUPPORT: _support,
}
