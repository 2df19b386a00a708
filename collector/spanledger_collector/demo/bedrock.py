"""Amazon Bedrock: Converse for any model, InvokeModel for Anthropic's (``POST /model/{model}/{operation}``)."""

from __future__ import annotations

import base64
import json
from typing import Any

from spanledger_collector.demo import messages
from spanledger_collector.demo.exchange import (
    Answer,
    Api,
    Json,
    Reply,
    Request,
    Role,
    Segment,
    compact_json,
    pieces,
    required,
    text_of,
)
from spanledger_collector.demo.frames import CONTENT_TYPE, frame
from spanledger_collector.demo.identifiers import HEX_DIGITS, Identifiers
from spanledger_collector.demo.usage import Usage

ERROR_TYPES = {
    400: "ValidationException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def read_converse(body: Json) -> Request:
    """The request of a body; ``model`` and ``operation`` come from the path."""
    segments = [Segment("tools", text_of(tool)) for tool in (body.get("toolConfig") or {}).get("tools") or ()]
    segments += [Segment("system", text_of(block)) for block in body.get("system") or ()]
    for message in required(body, "messages", list):
        role: Role = "assistant" if message.get("role") == "assistant" else "user"
        for block in message.get("content") or ():
            segments.append(Segment("tool" if "toolResult" in block else role, text_of(block)))
    return Request("aws.bedrock", "converse", body["model"], _is_streamed(body), tuple(segments), body)


def answer_converse(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """An answer, or the frames that build it; only the head of the answer has an id."""
    request_id = identifiers.new("", 32, HEX_DIGITS)
    blocks: list[Json] = [{"text": reply.text}] if reply.text else []
    for call in reply.tool_calls:
        identity = {"toolUseId": identifiers.new("tooluse_", 22), "name": call.name}
        blocks.append({"toolUse": identity | {"input": call.arguments}})
    stop_reason = "tool_use" if reply.tool_calls else "end_turn"
    metadata = {"usage": _usage_json(usage), "metrics": {"latencyMs": 1}}
    if not request.stream:
        output = {"message": {"role": "assistant", "content": blocks}}
        body = {"output": output, "stopReason": stop_reason} | metadata
        return Answer(request_id, (compact_json(body).encode(),), usage_frame=0)
    frames = [_event("messageStart", role="assistant")]
    for index, block in enumerate(blocks):
        frames += _block_events(index, block)
    frames += [_event("messageStop", stopReason=stop_reason), _event("metadata", **metadata)]
    return Answer(request_id, tuple(frames), usage_frame=len(frames) - 1)


def read_invoke(body: Json) -> Request:
    """The request of Anthropic's own body."""
    return messages.read(body | {"stream": _is_streamed(body)})


def answer_invoke(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """Anthropic's own body, or its events, each in a frame."""
    answer = messages.answer(request, reply, usage, identifiers)
    if not request.stream:
        return answer
    frames = tuple(_event("chunk", bytes=base64.b64encode(_data(event)).decode()) for event in answer.frames)
    return Answer(answer.response_id, frames, answer.usage_frame)


def error(_status: int, message: str) -> Json:
    """An error body as Bedrock writes it; its type is in the head."""
    return {"message": message}


def _is_streamed(body: Json) -> bool:
    return str(body["operation"]).endswith("-stream")


def _data(event: bytes) -> bytes:
    data = event.partition(b"data: ")[2].strip()
    return compact_json(json.loads(data)).encode()


def _event(kind: str, **fields: Any) -> bytes:
    return frame(kind, compact_json(fields).encode())


def _block_events(index: int, block: Json) -> list[bytes]:
    frames = []
    if "text" in block:
        deltas: list[Json] = [{"text": piece} for piece in pieces(block["text"])]
    else:
        call = block["toolUse"]
        start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
        frames.append(_event("contentBlockStart", contentBlockIndex=index, start=start))
        deltas = [{"toolUse": {"input": piece}} for piece in pieces(compact_json(call["input"]))]
    frames += [_event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in deltas]
    return [*frames, _event("contentBlockStop", contentBlockIndex=index)]


def _usage_json(usage: Usage) -> Json:
    """Input excludes the cache."""
    return {
        "inputTokens": usage.uncached_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }


CONVERSE = Api("aws.bedrock", "converse", read_converse, answer_converse, error, CONTENT_TYPE)
INVOKE_MODEL = Api("aws.bedrock", "invoke_model", read_invoke, answer_invoke, error, CONTENT_TYPE)
