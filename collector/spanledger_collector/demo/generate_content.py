"""Gemini (``POST /v1beta/models/{model}:generateContent`` and ``:streamGenerateContent``), streamed as events."""

from __future__ import annotations

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

STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def read(body: Json) -> Request:
    """The request of a body; ``model`` and ``operation`` come from the path."""
    segments = [Segment("tools", text_of(tool)) for tool in body.get("tools") or ()]
    segments += [Segment("system", text) for text in _texts(body.get("systemInstruction"))]
    for content in required(body, "contents", list):
        role: Role = "assistant" if content.get("role") == "model" else "user"
        for part in content.get("parts") or ():
            segments.append(Segment("tool" if "functionResponse" in part else role, text_of(part)))
    stream = body["operation"] == "streamGenerateContent"
    return Request("gcp.gemini", "generate_content", body["model"], stream, tuple(segments), body)


def answer(request: Request, reply: Reply, usage: Usage, identifiers: Identifiers) -> Answer:
    """An answer, or the events that build it; each repeats the usage, which is final in the last."""
    response_id = identifiers.new("", 22)
    calls = [{"functionCall": {"name": call.name, "args": call.arguments}} for call in reply.tool_calls]
    said = [{"text": piece} for piece in (pieces(reply.text) if request.stream else [reply.text]) if piece]
    parts: list[Json] = [*said, *calls]

    def chunk(parts: list[Json], *, final: bool) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
        return {
            "candidates": [candidate | {"finishReason": "STOP"} if final else candidate],
            "usageMetadata": _usage_json(usage, final=final),
            "modelVersion": response_model(request),
            "responseId": response_id,
        }

    if not request.stream:
        return Answer(response_id, (compact_json(chunk(parts, final=True)).encode(),), usage_frame=0)
    last = len(parts) - 1
    frames = [event_frame(chunk([part], final=index == last)) for index, part in enumerate(parts)]
    frames = frames or [event_frame(chunk([], final=True))]
    return Answer(response_id, tuple(frames), usage_frame=len(frames) - 1)


def error(status: int, message: str) -> Json:
    """An error body as Google writes it."""
    return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}


def _usage_json(usage: Usage, *, final: bool) -> Json:
    """Candidates exclude thoughts; what is zero is left out."""
    visible_tokens = usage.output_tokens - usage.reasoning_tokens
    counts: Json = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "candidatesTokenCount": visible_tokens if final else 1,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    return {name: count for name, count in counts.items() if count}


def _texts(content: Any) -> list[str]:
    return [text_of(part) for part in (content or {}).get("parts") or ()]


GENERATE_CONTENT = Api("gcp.gemini", "generate_content", read, answer, error)
