"""Gemini, by Google's two APIs: generateContent and streamGenerateContent."""

from __future__ import annotations

import re

from spanledger import attributes as name
from spanledger.wire.content import Part, message, text_part, tool_call_part, tool_response_part
from spanledger.wire.format import (
    Attributes,
    Json,
    Messages,
    Pattern,
    WireFormat,
    count,
    known,
    last_known,
    mapping,
    mappings,
    own_mapping,
    own_mappings,
    text,
)

MODEL = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):\w+$")


class GenerateContent(WireFormat):
    """``POST .../models/{model}:generateContent``, of the Gemini API and of Vertex AI.

    The prompt's count includes cached content but not what tools put into it; the candidates' count excludes
    thoughts. A stream repeats the usage so far in each of its answers, which come as events or as one array.
    """

    operation = "generate_content"
    provider = "gcp.gemini"
    streams_arrays = True
    telling = Pattern(rb'"finishReason"|"error"|"functionCall"')

    def recognises(self, request: Json) -> bool:
        """There are contents to go on from."""
        return "contents" in request

    def request_model(self, path: str, request: Json) -> str | None:
        """The path names it."""
        found = MODEL.search(path)
        return found[1] if found else None

    def is_streamed(self, path: str, request: Json) -> bool:
        """The path tells."""
        return path.endswith(":streamGenerateContent")

    def response_attributes(self, response: Json) -> Attributes:
        """Input is prompt and tools' prompt, output is candidates and thoughts."""
        usage = mapping(response.get("usageMetadata"))
        prompt = count(usage.get("promptTokenCount"))
        candidates = count(usage.get("candidatesTokenCount"))
        thoughts = count(usage.get("thoughtsTokenCount"))
        tools = count(usage.get("toolUsePromptTokenCount"))
        return known(
            {
                name.RESPONSE_ID: text(response.get("responseId")),
                name.RESPONSE_MODEL: text(response.get("modelVersion")),
                name.RESPONSE_FINISH_REASONS: [
                    reason.lower()
                    for candidate in mappings(response.get("candidates"))
                    if (reason := text(candidate.get("finishReason")))
                ],
                name.INPUT_TOKENS: None if prompt is None else prompt + (tools or 0),
                name.CACHE_READ_TOKENS: count(usage.get("cachedContentTokenCount")),
                # A count of zero is left out of the answer.
                name.OUTPUT_TOKENS: None if prompt is None else (candidates or 0) + (thoughts or 0),
                name.REASONING_TOKENS: thoughts,
            }
        )

    def fold(self, response: Json, event: Json) -> bool:
        """Each event is an answer with the next parts of each candidate."""
        pieces = mappings(event.get("candidates"))
        last_known(response, {field: value for field, value in event.items() if field != "candidates"})
        candidates = own_mappings(response, "candidates")
        candidates.extend({} for _ in pieces[len(candidates) :])
        bears_content = False
        for candidate, piece in zip(candidates, pieces, strict=False):
            last_known(candidate, {"finishReason": piece.get("finishReason")})
            parts = mappings(mapping(piece.get("content")).get("parts"))
            own_mappings(own_mapping(candidate, "content"), "parts").extend(parts)
            bears_content |= bool(parts)
        return bears_content

    def input_messages(self, request: Json) -> Messages:
        """The conversation so far; a string is what SDKs make of it before it is sent."""
        return [_message(item, item.get("role", "user")) for item in mappings(request.get("contents"))]

    def system_instructions(self, request: Json) -> Messages:
        """The system prompt stands beside the contents."""
        return _parts(mapping(request.get("systemInstruction") or request.get("system_instruction")))

    def output_messages(self, response: Json) -> Messages:
        """One message a candidate."""
        return [
            message("assistant", _parts(mapping(candidate.get("content"))), candidate.get("finishReason"))
            for candidate in mappings(response.get("candidates"))
        ]


def _message(content: Json, role: object) -> Json:
    return message("assistant" if role == "model" else role, _parts(content))


def _parts(content: Json) -> list[Part]:
    """Consecutive pieces of one text, as a stream brings them, are one part."""
    parts: list[Part] = []
    for given in mappings(content.get("parts")):
        part = _part(given)
        if parts and part["type"] in ("text", "reasoning") and part["type"] == parts[-1]["type"]:
            parts[-1]["content"] += part["content"]
        else:
            parts.append(part)
    return parts


def _part(part: Json) -> Part:
    match part:
        case {"text": str(said), "thought": True}:
            return {"type": "reasoning", "content": said}
        case {"text": str(said)}:
            return text_part(said)
        case {"functionCall": {"name": called} as call}:
            return tool_call_part(call.get("id"), called, call.get("args"))
        case {"functionResponse": {"name": called} as answer}:
            return tool_response_part(answer.get("id"), answer.get("response"), name=called)
        case other:
            return {"type": "unknown", **other}
