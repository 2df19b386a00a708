"""The brain that does as it is told: a directive in the last user message says what to answer.

::

    <<in=1200;out=80;cached=512;reason=30;fail=500*2;break=3>>
    <<write=100;write_1h=40;tool=get_weather:{"city":"Paris"}>>

    directive = "<<" pair {";" pair} ">>"
    pair      = count "=" digits            tokens, instead of what would be computed
              | "fail=" status ["*" times]  an HTTP error for the first attempts of this request, or for all
              | "break=" events             cut the stream after so many server-sent events
              | "tool=" name ":" object     call a tool (may be repeated); answer in words after its result
    count     = "in" | "out"                totals: cache included, reasoning included
              | "cached"                    cache reads
              | "write" | "write_1h"        all cache writes, and those of one hour (Anthropic)
              | "reason"                    reasoning

Counts that are not named are computed, but a named total (``in``, ``out``) has only the parts that are named.
"""

from __future__ import annotations

import json
import re

from spanledger_collector.demo.exchange import Failure, Json, Reply, Request, ToolCall
from spanledger_collector.demo.texts import words
from spanledger_collector.errors import BadInputError

COUNTS = {
    "in": "input_tokens",
    "out": "output_tokens",
    "cached": "cache_read_tokens",
    "write": "cache_write_tokens",
    "write_1h": "cache_write_1h_tokens",
    "reason": "reasoning_tokens",
}
DEFAULT_WORDS_TOKENS = 32

_NAMES = "|".join([*COUNTS, "break"])
_OPENING = re.compile(rf"<<(?=(?:{_NAMES}|fail|tool)=)")
_PAIR = re.compile(
    rf"(?P<name>{_NAMES})=(?P<number>\d+)"
    r"|fail=(?P<status>[45]\d\d)(?:\*(?P<times>\d+))?"
    r"|tool=(?P<tool>[\w.-]+):"
)


def obey(request: Request) -> Reply:
    """The reply that the directive asks for; without one, a few words.

    Raises:
        BadInputError: the directive breaks its grammar.
    """
    text = request.last_user_text
    opening = _OPENING.search(text)
    if not opening:
        return Reply(words(DEFAULT_WORDS_TOKENS))
    numbers: dict[str, int] = {}
    tool_calls: list[ToolCall] = []
    failure = None
    position, end = opening.end(), False
    while not end:
        pair = _PAIR.match(text, position)
        if not pair:
            raise _broken(position - opening.start())
        position = pair.end()
        if pair["name"]:
            numbers[pair["name"]] = int(pair["number"])
        elif pair["status"]:
            failure = Failure(int(pair["status"]), int(pair["times"]) if pair["times"] else None)
        else:
            arguments, position = _json_object(text, position)
            tool_calls.append(ToolCall(pair["tool"], arguments))
        end = text.startswith(">>", position)
        if not end and text[position : position + 1] != ";":
            raise _broken(position - opening.start())
        position += 1
    break_after_events = numbers.pop("break", None)
    tokens = {COUNTS[name]: number for name, number in numbers.items()}
    if tool_calls and not request.tool_results:
        return Reply("", tuple(tool_calls), tokens, failure, break_after_events)
    visible_tokens = numbers.get("out", DEFAULT_WORDS_TOKENS) - numbers.get("reason", 0)
    return Reply(words(max(0, visible_tokens)), (), tokens, failure, break_after_events)


def _json_object(text: str, start: int) -> tuple[Json, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError:
        value, end = None, start
    if not isinstance(value, dict):
        raise BadInputError("a directive's tool needs a JSON object as its arguments: tool=name:{...}")
    return value, end


def _broken(character: int) -> BadInputError:
    names = ", ".join([*COUNTS, "break"])
    return BadInputError(
        f"a directive breaks its grammar at its character {character}: "
        f"it is <<name=number;...>> of {names}, fail=500*2 and tool=name:{{...}}"
    )
