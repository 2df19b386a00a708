"""Anthropic Messages."""

from __future__ import annotations

import re

from spanledger import attributes as name
from spanledger.wire.content import block_parts, message
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
    parse_object,
    text,
)


class AnthropicMessages(WireFormat):
    """``POST .../messages``; raw input tokens EXCLUDE cache reads and writes."""

    operation = "chat"
    provider = "anthropic"
    ending = b'"stop_reason"'
    telling = Pattern(
        rb'"type"\s*:\s*"(message_start|message_delta|error|tool_use|input_json_delta|content_block_stop)"'
    )
    # The one with the stop reason has the final usage; litellm does not read the `message_stop` behind it.
    last = re.compile(rb'"stop_reason"\s*:\s*"')

    def recognises(self, request: Json) -> bool:
        """A conversation has messages; OpenAI's ``/threads/{id}/messages`` has not."""
        return isinstance(request.get("messages"), list)

    def response_attributes(self, response: Json) -> Attributes:
        """The three kinds of input are summed; a kind that is not reported counts nothing."""
        usage = mapping(response.get("usage"))
        writes = mapping(usage.get("cache_creation"))
        uncached = count(usage.get("input_tokens"))
        cache_read = count(usage.get("cache_read_input_tokens"))
        cache_write = count(usage.get("cache_creation_input_tokens"))
        reason = text(response.get("stop_reason"))
        return known(
            {
                name.RESPONSE_ID: text(response.get("id")),
                name.RESPONSE_MODEL: text(response.get("model")),
                name.RESPONSE_FINISH_REASONS: [reason] if reason else None,
                name.ANTHROPIC_SERVICE_TIER: text(usage.get("service_tier")),
                name.INPUT_TOKENS: None if uncached is None else uncached + (cache_read or 0) + (cache_write or 0),
                name.CACHE_READ_TOKENS: cache_read,
                name.CACHE_WRITE_TOKENS: cache_write,
                name.ANTHROPIC_CACHE_WRITE_5M_TOKENS: count(writes.get("ephemeral_5m_input_tokens")),
                name.ANTHROPIC_CACHE_WRITE_1H_TOKENS: count(writes.get("ephemeral_1h_input_tokens")),
                name.OUTPUT_TOKENS: count(usage.get("output_tokens")),
                name.REASONING_TOKENS: count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
            }
        )

    def fold(self, response: Json, event: Json) -> bool:
        """Usage is cumulative in the first and the last event: merged field by field, never added."""
        match event.get("type"):
            case "message_start":
                last_known(response, mapping(event.get("message")))
                # A placeholder of the first moment; until the last event the true number is unknown.
                mapping(response.get("usage")).pop("output_tokens", None)
            case "message_delta":
                last_known(response, mapping(event.get("delta")))
                last_known(own_mapping(response, "usage"), mapping(event.get("usage")))
            case "error":
                response["error"] = event.get("error")
            case "content_block_start":
                own_mappings(response, "content").append(dict(mapping(event.get("content_block"))))
            case "content_block_delta":
                _append(response.get("content"), mapping(event.get("delta")))
                return True
            case "content_block_stop":
                _close(response.get("content"))
        return False

    def input_messages(self, request: Json) -> Messages:
        """The conversation so far."""
        return [
            message(item.get("role"), block_parts(item.get("content"))) for item in mappings(request.get("messages"))
        ]

    def system_instructions(self, request: Json) -> Messages:
        """The system prompt stands beside the messages."""
        return block_parts(request.get("system"))

    def output_messages(self, response: Json) -> Messages:
        """One message."""
        parts = block_parts(response.get("content"))
        return [message("assistant", parts, response.get("stop_reason"))] if parts else []


def _append(content: object, delta: Json) -> None:
    """Blocks come one after the other, so a delta belongs to the last."""
    block = mappings(content)[-1] if mappings(content) else {}
    for field in ("text", "thinking", "partial_json"):
        if piece := text(delta.get(field)):
            block[field] = (text(block.get(field)) or "") + piece


def _close(content: object) -> None:
    for block in mappings(content)[-1:]:
        if "partial_json" in block:
            block["input"] = parse_object(block.pop("partial_json"))
