"""Tool executions that are read from the conversation: of any framework, in every format, once each."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest

import spanledger

NAME, ARGUMENTS = "add", {"a": 1}
ADD_HASH = "015abd7f5cc57a2d"
"""Of ``{"a":1}``."""

URLS = {
    "chat": "https://api.openai.com/v1/chat/completions",
    "responses": "https://api.openai.com/v1/responses",
    "messages": "https://api.anthropic.com/v1/messages",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-3:generateContent",
    "converse": "https://bedrock-runtime.us-east-1.amazonaws.com/model/some/converse",
}

CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": NAME, "arguments": '{"a": 1}'}}
RESPONSES_CALL = {"type": "function_call", "call_id": "c1", "name": NAME, "arguments": '{"a":1}'}
MESSAGES_CALL = {"type": "tool_use", "id": "c1", "name": NAME, "input": ARGUMENTS}
GEMINI_CALL = {"functionCall": {"id": "c1", "name": NAME, "args": ARGUMENTS}}
CONVERSE_CALL = {"toolUse": {"toolUseId": "c1", "name": NAME, "input": ARGUMENTS}}

ASKS: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"message": {"role": "assistant", "tool_calls": [CHAT_CALL]}}]},
    "responses": {"status": "completed", "output": [RESPONSES_CALL]},
    "messages": {"content": [{"type": "text", "text": "Let me see."}, MESSAGES_CALL]},
    "gemini": {"candidates": [{"content": {"role": "model", "parts": [GEMINI_CALL]}}]},
    "converse": {"output": {"message": {"role": "assistant", "content": [CONVERSE_CALL]}}},
}
"""Answers that ask for the tool."""

QUESTION: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "1+2?"}]},
    "responses": {"input": [{"role": "user", "content": "1+2?"}]},
    "messages": {"messages": [{"role": "user", "content": "1+2?"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "1+2?"}]}]},
    "converse": {"messages": [{"role": "user", "content": [{"text": "1+2?"}]}]},
}

RESULTS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"role": "assistant", "tool_calls": [CHAT_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "user", "content": "Well?"},
    ],
    "responses": [RESPONSES_CALL, {"type": "function_call_output", "call_id": "c1", "output": "3"}],
    "messages": [
        {"role": "assistant", "content": [MESSAGES_CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True}]},
    ],
    "gemini": [
        {"role": "model", "parts": [GEMINI_CALL]},
        {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": NAME, "response": {"result": 3}}}]},
    ],
    "converse": [
        {"role": "assistant", "content": [CONVERSE_CALL]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [], "status": "error"}}]},
    ],
}
"""What the next request adds to the conversation."""

SAY_THAT_IT_FAILED = ("messages", "converse")


class Conversation:
    """A conversation in one of the formats, with a model that asks for the tool first and then no more."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._answers = [ASKS[api]]
        ((self._field, history),) = QUESTION[api].items()
        self._history = list(history)
        self._client = httpx2.Client(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=self._answers.pop() if self._answers else {})

    def send(self) -> None:
        """Make a call with the conversation so far."""
        self._client.post(URLS[self._api], json={"model": "m", self._field: self._history}).raise_for_status()

    def add_result(self) -> None:
        """Let the conversation go on with the tool's result."""
        self._history += RESULTS[self._api]


def tools_of(spans) -> list[dict[str, Any]]:
    """Give the tool spans."""
    return [span for span in spans.snapshot() if span["name"].startswith("execute_tool")]


@pytest.mark.parametrize("api", URLS)
def test_a_result_in_the_next_request_is_an_execution(api, spans):
    """A tool that nobody saw run is one span, from the answer that asked to the request that answers, whole."""
    conversation = Conversation(api)
    with spanledger.task("T-1", user="u-1"):
        conversation.send()
        conversation.add_result()
        conversation.send()
        conversation.send()
    (tool,) = tools_of(spans)
    asked, answered, _ = [span for span in spans.snapshot() if span["kind"] == "CLIENT"]
    failed = {"error.type": "tool_error"} if api in SAY_THAT_IT_FAILED else {}
    assert tool == {
        "name": "execute_tool add",
        "kind": "INTERNAL",
        "trace": 1,
        "span": 3,
        "parent": 1,
        "start_s": asked["end_s"],
        "end_s": answered["start_s"],
        "status": "ERROR" if failed else "UNSET",
        "attributes": {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "add",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": "c1",
            "spanledger.tool.arguments.hash": ADD_HASH,
            "spanledger.tool.inferred": True,
            "spanledger.task": "T-1",
            "spanledger.user": "u-1",
            **failed,
        },
    }
    scopes = {span.name: span.instrumentation_scope.name for span in spans.finished()}
    assert scopes["execute_tool add"] == "spanledger.inferred"


STREAMS: dict[str, list[Any]] = {
    "/v1/chat/completions": [
        {"choices": [{"index": 0, "delta": {"content": "So"}}]},
        {"choices": [{"index": 0, "delta": {"content": " be"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **CHAT_CALL}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        "[DONE]",
    ],
    "/v1/messages": [
        {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {**MESSAGES_CALL, "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": " 1}"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ],
}


@pytest.mark.parametrize(("path", "api"), [("/v1/chat/completions", "chat"), ("/v1/messages", "messages")])
def test_a_streamed_answer_asks_as_well(path, api, provider, spans):
    """Tool calls are read from streams whose content nobody wants: behind text, in pieces."""
    provider.will_stream(STREAMS[path])
    provider.will_answer({})
    with httpx2.Client(base_url=provider.url) as client:
        client.post(path, json={"model": "m", "stream": True, **QUESTION[api]})
        client.post(path, json={"model": "m", "messages": RESULTS[api]})
    (tool,) = tools_of(spans)
    assert tool["attributes"]["gen_ai.tool.call.id"] == "c1"
    assert tool["attributes"]["spanledger.tool.arguments.hash"] == ADD_HASH


def test_an_execution_that_was_seen_is_not_inferred(spans):
    """A tool's own span is the only one; it got the call id from the conversation, though the function takes more."""

    @spanledger.tool
    def add(a: int, b: int = 2) -> int:
        return a + b

    conversation = Conversation("chat")
    with spanledger.task("T-1"):
        conversation.send()
        add(1)
        conversation.add_result()
        conversation.send()
    (tool,) = tools_of(spans)
    assert tool["attributes"]["gen_ai.tool.call.id"] == "c1"
    assert "spanledger.tool.inferred" not in tool["attributes"]


@pytest.mark.parametrize("attribute", ["gen_ai.tool.call.id", "tool_call.id"])
def test_a_span_of_another_instrumentor_counts_as_seen(attribute, spans):
    """Whoever says the call id on a span has seen the execution, even if that span ends while the answer streams."""
    conversation = Conversation("chat")
    theirs = spans.provider.get_tracer("theirs")
    with spanledger.task("T-1"):
        conversation.send()
        theirs.start_span("running add", attributes={attribute: "c1"}).end()
        conversation.add_result()
        conversation.send()
    with spanledger.task("T-2"):
        conversation = Conversation("chat")
        theirs.start_span("running add", attributes={attribute: "c1"}).end()
        conversation.send()
        conversation.add_result()
        conversation.send()
    assert tools_of(spans) == []


def test_a_tool_in_a_thread_finds_its_task(spans):
    """A tool in a thread that no context has reached is still in the trace, and for the task, of the call."""

    @spanledger.tool
    def add(a: int) -> int:
        return a

    conversation = Conversation("chat")
    with spanledger.task("T-1") as scope:
        conversation.send()
        thread = threading.Thread(target=add, args=(1,))
        thread.start()
        thread.join()
    (tool,) = tools_of(spans)
    assert tool["trace"] == scope.get_span_context().trace_id
    assert tool["attributes"]["spanledger.task"] == "T-1"
    assert tool["attributes"]["gen_ai.tool.call.id"] == "c1"


def test_equal_calls_are_claimed_once_each(spans):
    """A tool that nobody asked for has no call id, and one call is not claimed by two executions."""

    @spanledger.tool
    def add(a: int) -> int:
        return a

    conversation = Conversation("chat")
    with spanledger.task("T-1"):
        conversation.send()
        add(1)
        add(1)
    assert [span["attributes"].get("gen_ai.tool.call.id") for span in tools_of(spans)] == ["c1", None]


def gemini_turn(*arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a model's calls without ids, and their results."""
    calls = [{"functionCall": {"name": NAME, "args": given}} for given in arguments]
    results = [{"functionResponse": {"name": NAME, "response": {"result": 3}}} for _ in arguments]
    return [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]


def converse_without_ids(*between: Any) -> None:
    """Let Gemini ask for the tool four times in two turns, as it does without ids; run ``between`` after the first."""
    turns = [gemini_turn({"a": 1}, {"a": 2}, {"a": 1}), gemini_turn({"a": 1})]
    asked = iter(turns)

    def answer(_request: httpx2.Request) -> httpx2.Response:
        turn = next(asked, None)
        return httpx2.Response(200, json={"candidates": [{"content": turn[0]}]} if turn else {})

    history = list(QUESTION["gemini"]["contents"])
    with spanledger.task("T-1"), httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        for number in range(3):
            client.post(URLS["gemini"], json={"contents": history}).raise_for_status()
            for step in between if not number else ():
                step()
            history += turns[number] if number < len(turns) else []


def test_calls_without_ids_are_found_by_name_and_order(spans):
    """Four executions that nobody saw are four spans with their arguments' hashes, and no id that no model gave."""
    converse_without_ids()
    tools = [span["attributes"] for span in tools_of(spans)]
    hashes = [tool["spanledger.tool.arguments.hash"] for tool in tools]
    assert [found == ADD_HASH for found in hashes] == [True, False, True, True]
    assert not any("gen_ai.tool.call.id" in tool for tool in tools)
    assert all(tool["spanledger.tool.inferred"] for tool in tools)


def test_calls_without_ids_that_were_seen_are_not_inferred(spans):
    """A `@tool` is known by its arguments; another instrumentor's span, with an id that its SDK made, by its name."""

    @spanledger.tool
    def add(a: int) -> int:
        return a

    theirs = spans.provider.get_tracer("theirs")
    made_up = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "x-1", "gen_ai.tool.name": NAME}
    converse_without_ids(lambda: add(2), lambda: theirs.start_span("theirs", attributes=made_up).end())
    inferred = [span for span in tools_of(spans) if "spanledger.tool.inferred" in span["attributes"]]
    assert len(inferred) == 2
    (seen,) = [span for span in tools_of(spans) if "spanledger.tool.inferred" not in span["attributes"]]
    assert "gen_ai.tool.call.id" not in seen["attributes"]


def test_one_id_in_two_tasks_is_two_calls(spans):
    """Models that count their calls use the same ids in every conversation."""
    conversations = {task: Conversation("chat") for task in ("T-1", "T-2")}
    for step in (Conversation.send, Conversation.add_result, Conversation.send):
        for task, conversation in conversations.items():
            with spanledger.task(task):
                step(conversation)
    assert [span["attributes"]["spanledger.task"] for span in tools_of(spans)] == ["T-1", "T-2"]


def test_a_result_of_an_unseen_answer_is_nothing(spans):
    """What an earlier process asked for is not this one's to tell."""
    conversation = Conversation("chat")
    conversation.add_result()
    conversation.send()
    assert tools_of(spans) == []
