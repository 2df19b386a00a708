"""OpenAI Chat Completions (``POST /v1/chat/completions``), plain and streamed."""

from __future__ import annotations

import time
from typing import Any

from spanledger_collector.demo.exchange import (
    Answer,
    Api,
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

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def read(body: Json) -> Request:
    """The request of a body; tool definitions come first in the prompt."""
    segments = [Segment("tools", compact_json(tool)) for tool in body.get("tools") or ()]
    for message in required(body, "messages", list):
        requested = "".join(compact_json(call) for call in message.get("tool_calls") or ())
        role = ROLES.get(message.get("role"), "user")
        segments.append(Segment(role, text_of(message.get("content")) + requested))
    stream = bool(body.get("stream"))
    return Request("openai", "chat_completions", required(body, "model", str), stream, tuple(segments), body)


def answer(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """A ``chat.completion``, or its chunks; a stream tells usage where ``include_usage`` asks for it."""
    head: Json = {
        "id": identifiers.new("chatcmpl-", 29),
        "created": int(time.time()),
        "model": response_model(request),
        "service_tier": "default",
        "system_fingerprint": "fp_standin",
    }
    calls = [
        {
            "id": identifiers.new("call_", 24),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments_json},
        }
        for call in reply.tool_calls
    ]
    if request.stream:
        return _streamed(request, reply, usage, head, calls)
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    body = head | {"object": "chat.completion", "choices": [choice], "usage": _usage_json(usage)}
    return Answer(head["id"], (compact_json(body).encode(),), usage_frame=0)


def error(status: int, message: str) -> Json:
    """An error body as OpenAI writes it."""
    kind = "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
    code = "rate_limit_exceeded" if status == 429 else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _streamed(request: Request, reply: Reply, usage: Usage, head: Json, calls: list[Json]) -> Answer:
    with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))

    def chunk(choices: list[Json], usage_json: Json | None = None) -> bytes:
        usage_field = {"usage": usage_json} if with_usage else {}
        return event_frame(head | {"object": "chat.completion.chunk", "choices": choices} | usage_field)

    def delta(content: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish_reason}])

    frames = [delta({"role": "assistant", "content": "" if reply.text else None})]
    frames += [delta({"content": piece}) for piece in pieces(reply.text)]
    for index, call in enumerate(calls):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        opened = call | {"index": index, "function": {"name": name, "arguments": ""}}
        frames.append(delta({"tool_calls": [opened]}))
        for piece in pieces(arguments):
            frames.append(delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    frames.append(delta({}, _finish_reason(reply)))
    if with_usage:
        frames.append(chunk([], _usage_json(usage)))
    usage_frame = len(frames) - 1 if with_usage else None
    return Answer(head["id"], (*frames, b"data: [DONE]\n\n"), usage_frame)


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _usage_json(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


CHAT_COMPLETIONS = Api("openai", "chat_completions", read, answer, error)
