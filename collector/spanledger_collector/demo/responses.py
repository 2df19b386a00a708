"""OpenAI Responses (``POST /v1/responses``), plain and streamed."""

from __future__ import annotations

import itertools
import time
from typing import Any

from spanledger_collector.demo.chat_completions import ROLES, error
from spanledger_collector.demo.exchange import (
    Answer,
    Api,
    Json,
    Reply,
    Request,
    Segment,
    compact_json,
    event_frame,
    pieces,
    required,
    response_model,
    text_of,
)
from spanledger_collector.demo.identifiers import HEX_DIGITS, Identifiers
from spanledger_collector.demo.usage import Usage
from spanledger_collector.errors import BadInputError

ITEM_ID_LENGTH = 48


def read(body: Json) -> Request:
    """The request of a body: tools, instructions, then the input items.

    Raises:
        BadInputError: a field is missing, or the body leans on a stored response.
    """
    if body.get("previous_response_id"):
        raise BadInputError("the stand-in stores no responses: send the whole input, not previous_response_id")
    segments = [Segment("tools", compact_json(tool)) for tool in body.get("tools") or ()]
    if body.get("instructions"):
        segments.append(Segment("system", text_of(body["instructions"])))
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else required(body, "input", list)
    segments += [_segment(item) for item in items]
    stream = bool(body.get("stream"))
    return Request("openai", "responses", required(body, "model", str), stream, tuple(segments), body)


def answer(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """A ``response``, or the events that build it; ``response.completed`` carries the usage."""
    output = _output(reply, usage, identifiers)
    response: Json = {
        "id": identifiers.new("resp_", ITEM_ID_LENGTH, HEX_DIGITS),
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.body.get("instructions"),
        "metadata": {},
        "model": response_model(request),
        "output": output,
        "parallel_tool_calls": True,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": request.body.get("tools") or [],
        "top_p": 1.0,
        "usage": _usage_json(usage),
    }
    if not request.stream:
        return Answer(response["id"], (compact_json(response).encode(),), usage_frame=0)
    frames = _events(response, output)
    return Answer(response["id"], tuple(frames), usage_frame=len(frames) - 1)


def _segment(item: Json) -> Segment:
    kind = item.get("type", "message")
    if kind == "message":
        return Segment(ROLES.get(item.get("role", "user"), "user"), text_of(item.get("content")))
    if kind == "function_call_output":
        return Segment("tool", text_of(item.get("output")))
    return Segment("assistant", compact_json(item))


def _output(reply: Reply, usage: Usage, identifiers: Identifiers) -> list[Json]:
    def item_id(prefix: str) -> str:
        return identifiers.new(prefix, ITEM_ID_LENGTH, HEX_DIGITS)

    output: list[Json] = []
    if usage.reasoning_tokens:
        output.append({"id": item_id("rs_"), "type": "reasoning", "summary": []})
    if reply.text:
        part = {"type": "output_text", "text": reply.text, "annotations": []}
        message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
        output.append({"id": item_id("msg_")} | message)
    for call in reply.tool_calls:
        identity = {"id": item_id("fc_"), "type": "function_call", "call_id": identifiers.new("call_", 24)}
        output.append(identity | {"name": call.name, "arguments": call.arguments_json, "status": "completed"})
    return output


def _events(response: Json, output: list[Json]) -> list[bytes]:
    sequence = itertools.count()

    def event(kind: str, **fields: Any) -> bytes:
        return event_frame({"type": kind, "sequence_number": next(sequence)} | fields, kind)

    started = response | {"status": "in_progress", "output": [], "usage": None}
    frames = [event("response.created", response=started), event("response.in_progress", response=started)]
    for index, item in enumerate(output):
        at = {"output_index": index}
        of_item = at | {"item_id": item["id"]}
        if item["type"] == "message":
            part, of_part = item["content"][0], of_item | {"content_index": 0}
            frames.append(event("response.output_item.added", item=_opened(item, content=[]), **at))
            frames.append(event("response.content_part.added", part=part | {"text": ""}, **of_part))
            for piece in pieces(part["text"]):
                frames.append(event("response.output_text.delta", delta=piece, logprobs=[], **of_part))
            frames.append(event("response.output_text.done", text=part["text"], logprobs=[], **of_part))
            frames.append(event("response.content_part.done", part=part, **of_part))
        elif item["type"] == "function_call":
            arguments = item["arguments"]
            frames.append(event("response.output_item.added", item=_opened(item, arguments=""), **at))
            for piece in pieces(arguments):
                frames.append(event("response.function_call_arguments.delta", delta=piece, **of_item))
            done = {"name": item["name"], "arguments": arguments}
            frames.append(event("response.function_call_arguments.done", **done, **of_item))
        else:
            frames.append(event("response.output_item.added", item=item, **at))
        frames.append(event("response.output_item.done", item=item, **at))
    return [*frames, event("response.completed", response=response)]


def _opened(item: Json, **empty: Any) -> Json:
    return item | {"status": "in_progress"} | empty


def _usage_json(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


RESPONSES = Api("openai", "responses", read, answer, error)
