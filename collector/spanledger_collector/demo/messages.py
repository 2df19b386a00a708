"""Anthropic Messages (``POST /v1/messages``), plain and streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spanledger_collector.demo.exchange import (
    Answer,
    Api,
    CacheTtl,
    Json,
    Reply,
    Request,
    Role,
    Segment,
    compact_json,
    event_frame,
    pieces,
    required,
    response_model,
    text_of,
)
from spanledger_collector.demo.identifiers import Identifiers
from spanledger_collector.demo.usage import Usage

ID_LENGTH = 22
ERROR_KINDS = {
    400: "invalid_request_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def read(body: Json) -> Request:
    """The request of a body: tools, system, messages; its own ``cache_control`` marks the last block."""
    segments = [_segment("tools", tool) for tool in body.get("tools") or ()]
    segments += [_segment("system", block) for block in _blocks(body.get("system"))]
    for message in required(body, "messages", list):
        role: Role = "assistant" if message.get("role") == "assistant" else "user"
        for block in _blocks(message.get("content")):
            segments.append(_segment("tool" if block.get("type") == "tool_result" else role, block))
    if segments and (ttl := _cache_ttl(body)):
        segments[-1] = replace(segments[-1], cache_ttl=ttl)
    stream = bool(body.get("stream"))
    return Request("anthropic", "messages", required(body, "model", str), stream, tuple(segments), body)


def answer(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """A ``message``, or the events that build it; ``message_delta`` carries the final usage."""
    content: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
    for call in reply.tool_calls:
        identity = {"type": "tool_use", "id": identifiers.new("toolu_01", ID_LENGTH)}
        content.append(identity | {"name": call.name, "input": call.arguments})
    message: Json = {
        "id": identifiers.new("msg_01", ID_LENGTH),
        "type": "message",
        "role": "assistant",
        "model": response_model(request),
        "content": content,
        "stop_reason": "tool_use" if reply.tool_calls else "end_turn",
        "stop_sequence": None,
        "usage": _input_usage_json(usage) | _output_usage_json(usage),
    }
    if not request.stream:
        return Answer(message["id"], (compact_json(message).encode(),), usage_frame=0)
    frames = _events(message, usage)
    return Answer(message["id"], tuple(frames), usage_frame=len(frames) - 2)


def error(status: int, message: str) -> Json:
    """An error body as Anthropic writes it."""
    return {"type": "error", "error": {"type": ERROR_KINDS.get(status, "api_error"), "message": message}}


def _events(message: Json, usage: Usage) -> list[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return event_frame({"type": kind} | fields, kind)

    first_usage = _input_usage_json(usage) | {"output_tokens": 1}
    started = message | {"content": [], "stop_reason": None, "usage": first_usage}
    frames = [event("message_start", message=started)]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            opened, whole, kind, key = block | {"text": ""}, block["text"], "text_delta", "text"
        else:
            opened, whole = block | {"input": {}}, compact_json(block["input"])
            kind, key = "input_json_delta", "partial_json"
        frames.append(event("content_block_start", index=index, content_block=opened))
        if index == 0:
            frames.append(event("ping"))
        for piece in pieces(whole):
            frames.append(event("content_block_delta", index=index, delta={"type": kind, key: piece}))
        frames.append(event("content_block_stop", index=index))
    stopped = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    final_usage = {
        "input_tokens": usage.uncached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
    } | _output_usage_json(usage)
    frames.append(event("message_delta", delta=stopped, usage=final_usage))
    return [*frames, event("message_stop")]


def _blocks(content: Any) -> list[Json]:
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _segment(role: Role, block: Json) -> Segment:
    # The mark is no part of the prompt: it moves along a conversation whose beginning stays the same.
    unmarked = {key: value for key, value in block.items() if key != "cache_control"}
    text = text_of(block["content"]) if "content" in block else text_of(unmarked)
    return Segment(role, text, _cache_ttl(block))


def _cache_ttl(marked: Json) -> CacheTtl | None:
    mark = marked.get("cache_control")
    if not mark:
        return None
    return "1h" if mark.get("ttl") == "1h" else "5m"


def _input_usage_json(usage: Usage) -> Json:
    return {
        "input_tokens": usage.uncached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "service_tier": "standard",
    }


def _output_usage_json(usage: Usage) -> Json:
    output: Json = {"output_tokens": usage.output_tokens}
    if usage.reasoning_tokens:
        output["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return output


MESSAGES = Api("anthropic", "messages", read, answer, error)
