"""OpenAI Responses."""

from __future__ import annotations

import re

from spanledger import attributes as name
from spanledger.wire.content import block_parts, message, text_part, tool_call_part, tool_response_part
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
    text,
)


class Responses(WireFormat):
    """``POST .../responses``; input tokens include cached ones, output tokens include reasoning."""

    operation = "chat"
    provider = "openai"
    telling = Pattern(rb'"response"\s*:\s*\{|"type"\s*:\s*"error"')
    ending = b'"response"'
    last = re.compile(rb'"type"\s*:\s*"response\.(completed|incomplete|failed)"')

    def recognises(self, request: Json) -> bool:
        """It has an input, or goes on from a stored prompt, response or conversation."""
        return any(field in request for field in ("input", "prompt", "previous_response_id", "conversation"))

    def response_attributes(self, response: Json) -> Attributes:
        """Usage as OpenAI defines it is already in totals."""
        usage = mapping(response.get("usage"))
        given = mapping(usage.get("input_tokens_details"))
        made = mapping(usage.get("output_tokens_details"))
        reason = _finish_reason(response)
        return known(
            {
                name.RESPONSE_ID: text(response.get("id")),
                name.RESPONSE_MODEL: text(response.get("model")),
                name.RESPONSE_FINISH_REASONS: [reason] if reason else None,
                name.OPENAI_SERVICE_TIER: text(response.get("service_tier")),
                name.INPUT_TOKENS: count(usage.get("input_tokens")),
                name.CACHE_READ_TOKENS: count(given.get("cached_tokens")),
                name.CACHE_WRITE_TOKENS: count(given.get("cache_write_tokens")),
                name.OUTPUT_TOKENS: count(usage.get("output_tokens")),
                name.REASONING_TOKENS: count(made.get("reasoning_tokens")),
            }
        )

    def fold(self, response: Json, event: Json) -> bool:
        """The first and the last events carry the whole answer as it is then; deltas bear the content."""
        kind = text(event.get("type")) or ""
        if kind == "error":
            response["error"] = event
        last_known(response, mapping(event.get("response")))
        return kind.endswith(".delta")

    def input_messages(self, request: Json) -> Messages:
        """A string is one user message; a list has messages, tool calls and tool results side by side."""
        given = request.get("input")
        if isinstance(given, str):
            return [message("user", [text_part(given)])]
        return [_message(item) for item in mappings(given)]

    def system_instructions(self, request: Json) -> Messages:
        """Instructions stand beside the input."""
        return block_parts(request.get("instructions"))

    def output_messages(self, response: Json) -> Messages:
        """One message: what was said and which tools were asked for."""
        parts = [part for item in mappings(response.get("output")) for part in _message(item)["parts"]]
        return [message("assistant", parts, _finish_reason(response))] if parts else []


def _message(item: Json) -> Json:
    match item:
        case {"type": "function_call"}:
            call = tool_call_part(item.get("call_id"), item.get("name"), item.get("arguments"))
            return message("assistant", [call])
        case {"type": "function_call_output"}:
            return message("tool", [tool_response_part(item.get("call_id"), item.get("output"))])
        case {"content": content}:
            return message(item.get("role", "assistant"), block_parts(content))
        case other:
            return message("assistant", [{"type": "unknown", **other}])


def _finish_reason(response: Json) -> str | None:
    """Give the answer's end in the words of the GenAI conventions, or None while it has none."""
    match response.get("status"):
        case "completed":
            calls = any(item.get("type") == "function_call" for item in mappings(response.get("output")))
            return "tool_calls" if calls else "stop"
        case "incomplete":
            reason = text(mapping(response.get("incomplete_details")).get("reason"))
            return "length" if reason == "max_output_tokens" else reason
        case "failed":
            return "error"
        case _:
            return None
