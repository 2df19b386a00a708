"""The contract of a wire format: it has recorded cases, and no JSON whatever makes it raise or guess."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.wire.format import FieldSet, mapping
from spanledger.wire.formats import PLACES, format_at, format_of
from spanledger.wire.splitting import ArraySplitter

CASES = [json.loads(file.read_text()) for file in (Path(__file__).parents[1] / "cases").glob("*.json")]
EACH_FORMAT = pytest.mark.parametrize(
    "wire_format", [format_at(place) for place in PLACES], ids=lambda each: type(each).__name__
)


WRONG = (None, True, -1, 0.5, "word", [], ["word"], [{}], {}, {"index": "word"})


def mangled(value: Any, random: Random) -> Any:
    """Give a copy of a JSON value in which about one part in six is something else."""
    if random.random() < 1 / 6:
        return copy.deepcopy(random.choice(WRONG))
    if isinstance(value, dict):
        return {key: mangled(item, random) for key, item in value.items()}
    if isinstance(value, list):
        return [mangled(item, random) for item in value]
    return value


def as_sent(case: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Give the JSON that a splitter makes of an event: InvokeModel packs each into another."""
    if case.get("framing") != "chunks":
        return event
    return {"chunk": {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}}


@EACH_FORMAT
def test_each_format_has_cases(wire_format):
    """A format that is registered is tried on recorded calls, plain and, where it has them, as events."""
    mine = [case for case in CASES if format_of(case["path"], case["request"]) is wire_format]
    assert {"answer", "events"} & {key for case in mine for key in case} == (
        {"answer"} if wire_format.operation == "embeddings" else {"answer", "events"}
    )


@settings(max_examples=300, deadline=None)
@given(case=st.sampled_from(CASES), random=st.randoms())
def test_no_json_breaks_a_format(case, random):
    """Recorded calls with parts in wrong places are read as far as they make sense, and never raise."""
    wire_format = format_of(case["path"], case["request"])
    request = {**case["request"], **mapping(mangled(case["request"], random))}
    folded: dict[str, Any] = {}
    for event in case.get("events", []):
        wire_format.fold(folded, as_sent(case, mapping(mangled(event, random))))
    for answer in (mapping(mangled(case.get("answer"), random)), folded):
        attributes = wire_format.response_attributes(answer)
        assert all(isinstance(value, str | int | float | list) and value != [] for value in attributes.values())
        json.dumps(wire_format.output_messages(answer))
    wire_format.recognises(request)
    json.dumps([wire_format.input_messages(request), wire_format.system_instructions(request)])


@pytest.mark.parametrize("streamed", [case for case in CASES if "events" in case], ids=lambda each: each["path"])
def test_telling_events_are_enough(streamed):
    """Leaving out every event that the pattern does not find, after content has begun, changes no attribute."""
    wire_format = format_of(streamed["path"], streamed["request"])
    whole: dict[str, Any] = {}
    told: dict[str, Any] = {}
    begun = False
    for event in streamed["events"]:
        if event != "[DONE]":
            sent = as_sent(streamed, event)
            wire_format.fold(whole, sent)
            if not begun or wire_format.telling.search(json.dumps(sent, separators=(",", ":")).encode()):
                begun |= wire_format.fold(told, sent)
    assert begun
    assert wire_format.response_attributes(told) == wire_format.response_attributes(whole)


@pytest.mark.parametrize(
    ("event", "is_told"),
    [
        (b'{"choices":[],"usage":{"prompt_tokens":9}}', True),
        (b'{"choices": [{"finish_reason": "stop"}], "usage": null}', True),
        (b'{"delta":{"tool_calls" : [{}]}}', True),
        (b'{"choices":[{"delta":{"content":" usage\\": {"},"finish_reason":null}],"usage":null}', False),
        (b'{"usage":null,"x_groq":{"usage":{"prompt_tokens":9}}}', True),
    ],
)
def test_fields_that_say_something_are_found(event, is_told):
    """An unparsed event is told by a field with a value, however spaced; null and the model's own words are not one."""
    assert FieldSet(b"finish_reason", b"usage", b"tool_calls").search(event) is is_told


@pytest.mark.parametrize("recorded", CASES, ids=lambda each: each["path"])
def test_an_answer_with_tool_calls_is_never_passed_over(recorded):
    """Where the messages of an answer have a tool call, the quick look says that there may be one."""
    wire_format = format_of(recorded["path"], recorded["request"])
    folded: dict[str, Any] = {}
    for event in recorded.get("events", []):
        if event != "[DONE]":
            wire_format.fold(folded, as_sent(recorded, event))
    for answer in (mapping(recorded.get("answer")), folded):
        parts = [part for message in wire_format.output_messages(answer) for part in message["parts"]]
        if any(part["type"] == "tool_call" for part in parts):
            assert wire_format.may_ask_for_tools(answer)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}, {"input": 9, "output": 5}),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 34,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            {"input": 9, "output": 25, "reasoning.output": 20},
        ),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 34}, {"input": 9, "output": 25}),
        (
            {"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 8, "total_tokens": 14},
            {"input": 9, "output": 5, "cache_read.input": 8},
        ),
    ],
    ids=["OpenAI", "xAI: reasoning beside", "Google: thoughts in the total only", "DeepSeek: cache hits"],
)
def test_servers_that_count_otherwise(usage, expected):
    """Reasoning that a server leaves out of the completion is added; other names of the cache are known."""
    wire_format = format_of("/v1/chat/completions", {"messages": []})
    for answer in ({"usage": usage}, {"x_groq": {"usage": usage}}):
        found = wire_format.response_attributes(answer)
        assert found == {f"gen_ai.usage.{part}_tokens": tokens for part, tokens in expected.items()}


def test_what_a_gateway_says_that_it_billed_is_kept():
    """OpenRouter's cost goes on the span as it is."""
    wire_format = format_of("/v1/chat/completions", {"messages": []})
    assert wire_format.response_attributes({"usage": {"cost": 0.00125}}) == {"gen_ai.usage.cost": 0.00125}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_objects_of_an_array_are_cut_wherever_chunks_end(size):
    """Braces, quotes and escapes within strings do not cut an object, however the bytes come."""
    objects = [{"a": 'x "}{\\" y', "b": {"c": ["\\\\", {}]}}, {}, {"d": "\\"}]
    data = json.dumps(objects, indent=1).encode()
    splitter = ArraySplitter()
    found = [event for at in range(0, len(data), size) for event in splitter.feed(data[at : at + size])]
    assert [json.loads(event) for event in found] == objects
