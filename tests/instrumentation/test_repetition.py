"""Sizes and hashes of the input: what a call says of what it reads again."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

import spanledger

SYSTEM = "You are terse. " * 20
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def send(messages: list[Any], status: int = 200, **more: Any) -> None:
    """Make a call."""
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(status, json={"id": "x"}))
    with httpx2.Client(transport=transport) as client:
        client.post("https://api.openai.com/v1/chat/completions", json={"model": "m", "messages": messages, **more})


def user(text: str) -> dict[str, str]:
    """Make a message."""
    return {"role": "user", "content": text}


def inputs_of(spans) -> list[dict[str, Any]]:
    """Give what each call says of its input, names shortened."""
    return [
        {
            name.removeprefix("spanledger.input."): value
            for name, value in span["attributes"].items()
            if name.startswith("spanledger.input.")
        }
        for span in spans.snapshot()
        if span["kind"] == "CLIENT"
    ]


def test_a_call_says_how_much_it_repeats(spans):
    """The common beginning with the calls of the task that were answered, in bytes, and tokens estimated from them."""
    beginning = [{"role": "system", "content": SYSTEM}, user("One.")]
    with spanledger.task("T-1"):
        send(beginning, tools=[TOOL])
        send([*beginning, user("Two.")], tools=[TOOL])
        send([beginning[0], user("Another beginning.")], tools=[TOOL])
    first, second, third = inputs_of(spans)
    assert first["repeated_bytes"] == 0
    assert second["repeated_bytes"] == first["bytes"] < second["bytes"]
    assert second["repeated_tokens"] == first["bytes"] // 4
    assert len(SYSTEM) < third["repeated_bytes"] < first["bytes"]


def test_sizes_are_near_those_of_the_json(spans):
    """Text counts its bytes in UTF-8, and the structure around it about as much as in JSON."""
    send([user("ü" * 5000)])
    (found,) = inputs_of(spans)
    assert found["bytes"] == pytest.approx(10_000, rel=0.01)


def test_fingerprints_tell_system_prompts_and_tools_apart(spans):
    """Equal system prompts and tools have equal hashes in any call; another prompt has another; none has none."""
    for messages, more in (
        ([{"role": "system", "content": SYSTEM}, user("One.")], {"tools": [TOOL]}),
        ([{"role": "system", "content": SYSTEM}, user("Two.")], {"tools": [TOOL]}),
        ([{"role": "system", "content": "Be kind."}, user("Two.")], {"tools": [TOOL, TOOL]}),
        ([user("Two.")], {}),
    ):
        send(messages, **more)
    first, second, third, fourth = inputs_of(spans)
    assert first["system.hash"] == second["system.hash"] != third["system.hash"]
    assert first["tools.hash"] == second["tools.hash"] != third["tools.hash"]
    assert first["tools.bytes"] < third["tools.bytes"]
    assert fourth.keys() == {"bytes", "repeated_bytes", "repeated_tokens"}
    assert SYSTEM[:20] not in "".join(span.to_json() for span in spans.finished())


@pytest.mark.parametrize(
    "tools",
    [
        {"tools": [TOOL, TOOL, TOOL]},
        {"functions": [{"name": "add"}, {"name": "multiply"}, {"name": "divide"}]},
        {"tools": [{"type": "namespace", "name": "sums", "tools": [TOOL, TOOL]}, TOOL]},
        {"tools": [{"functionDeclarations": [{"name": "add"}, {"name": "multiply"}]}, {"googleSearch": {}}]},
        {"toolConfig": {"tools": [{"toolSpec": {"name": name}} for name in "abc"], "toolChoice": {"auto": {}}}},
    ],
    ids=["chat", "functions", "namespace", "gemini", "bedrock"],
)
def test_tools_are_counted_wherever_a_format_nests_them(tools, spans):
    """Three definitions are three, each an entry of its own or several in one."""
    send([user("One.")], **tools)
    (found,) = inputs_of(spans)
    assert found["tools.count"] == 3


def test_the_hashes_are_the_same_in_every_process(spans):
    """Fingerprints are compared across processes, so they are fixed."""
    send([{"role": "system", "content": "Be kind."}])
    (found,) = inputs_of(spans)
    assert found["system.hash"] == "7580d0c618772c5a"


def test_another_task_repeats_nothing(spans):
    """What counts is the same task; calls without one are of their trace, or all together."""
    for task in ("T-1", "T-2", "T-1"):
        with spanledger.task(task):
            send([user("One.")])
    send([user("One.")])
    send([user("One.")])
    assert [found["repeated_bytes"] > 0 for found in inputs_of(spans)] == [False, False, True, False, True]


def test_a_refused_call_was_not_read(spans):
    """An attempt that failed does not make the next one a repetition."""
    send([user("One.")], status=429)
    send([user("One.")])
    assert [found["repeated_bytes"] for found in inputs_of(spans)] == [0, 0]


@pytest.mark.parametrize(
    ("url", "request_body"),
    [
        ("https://api.openai.com/v1/responses", {"instructions": SYSTEM, "input": "One."}),
        ("https://api.anthropic.com/v1/messages", {"system": SYSTEM, "messages": [user("One.")]}),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
            {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": [{"parts": [{"text": "One."}]}]},
        ),
    ],
    ids=["responses", "messages", "gemini"],
)
def test_every_format_is_measured(url, request_body, spans):
    """System prompt, messages and a mere text are found wherever a format has them."""
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json={}))
    with httpx2.Client(transport=transport) as client:
        for _ in range(2):
            client.post(url, json={"model": "m", **request_body})
    first, second = inputs_of(spans)
    assert len(first["system.hash"]) == 16
    assert second["repeated_bytes"] == first["bytes"] > len(SYSTEM)
