"""OpenAI Chat Completions, and every server that speaks it: Groq, Mistral, DeepSeek, OpenRouter, vLLM, ..."""

from __future__ import annotations

from spanledger import attributes as name
from spanledger.wire.content import Part, block_parts, message, tool_call_part, tool_response_part
from spanledger.wire.format import (
    Attributes,
    FieldSet,
    Json,
    Messages,
    WireFormat,
    amount,
    count,
    known,
    last_known,
    mapping,
    mappings,
    text,
)


class ChatCompletions(WireFormat):
    """``POST .../chat/completions``; prompt tokens include cached ones, completion tokens reasoning."""

    operation = "chat"
    provider = "openai"
    is_asked_for_usage = True
    telling = FieldSet(b"finish_reason", b"usage", b"tool_calls", b"error")
    end_mark = ending = b"[DONE]"

    def recognises(self, request: Json) -> bool:
        """A conversation has messages."""
        return isinstance(request.get("messages"), list)

    def response_attributes(self, response: Json) -> Attributes:
        """Usage as OpenAI defines it is already in totals; others have ways of their own to say it."""
        usage = mapping(response.get("usage")) or mapping(mapping(response.get("x_groq")).get("usage"))
        prompt = mapping(usage.get("prompt_tokens_details"))
        completion = mapping(usage.get("completion_tokens_details"))
        reasoning = count(completion.get("reasoning_tokens")) if completion else None
        cache_read = count(prompt.get("cached_tokens")) if prompt else None
        if cache_read is None:
            cache_read = count(usage.get("prompt_cache_hit_tokens"))  # DeepSeek
        return known(
            {
                name.RESPONSE_ID: text(response.get("id")),
                name.RESPONSE_MODEL: text(response.get("model")),
                name.RESPONSE_FINISH_REASONS: [
                    reason
                    for choice in mappings(response.get("choices"))
                    if (reason := text(choice.get("finish_reason")))
                ],
                name.OPENAI_SERVICE_TIER: text(response.get("service_tier")),
                name.INPUT_TOKENS: count(usage.get("prompt_tokens")),
                name.CACHE_READ_TOKENS: cache_read,
                name.CACHE_WRITE_TOKENS: count(prompt.get("cache_write_tokens")) if prompt else None,
                name.OUTPUT_TOKENS: _output_tokens(usage, reasoning),
                name.REASONING_TOKENS: reasoning,
                name.REPORTED_COST_USD: amount(usage.get("cost")),
            }
        )

    def fold(self, response: Json, event: Json) -> bool:
        """Chunks repeat id and model; usage comes with the last one, when the caller asked for it."""
        choices: list[Json] = response.setdefault("choices", [])
        last_known(response, {field: value for field, value in event.items() if field != "choices"})
        bears_content = False
        for chunk in mappings(event.get("choices")):
            choice = _indexed(choices, chunk.get("index"))
            delta = mapping(chunk.get("delta"))
            last_known(choice, {"finish_reason": chunk.get("finish_reason")})
            _append(choice.setdefault("message", {}), delta)
            bears_content |= any(value for field, value in delta.items() if field != "role")
        return bears_content

    def input_messages(self, request: Json) -> Messages:
        """The conversation so far, system messages included."""
        return [message(item.get("role"), _parts(item)) for item in mappings(request.get("messages"))]

    def may_ask_for_tools(self, response: Json) -> bool:
        """Whether a choice has any."""
        return any(mapping(choice.get("message")).get("tool_calls") for choice in mappings(response.get("choices")))

    def output_messages(self, response: Json) -> Messages:
        """One message a choice."""
        return [
            message("assistant", _parts(mapping(choice.get("message"))), choice.get("finish_reason"))
            for choice in mappings(response.get("choices"))
        ]


def _output_tokens(usage: Json, reasoning: int | None) -> int | None:
    """Count what xAI and Google leave out of the completion: reasoning that only their total has."""
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return completion
    left_out = (count(usage.get("total_tokens")) or 0) - prompt - completion
    return completion + left_out if left_out > 0 and reasoning in (None, left_out) else completion


def _indexed(items: list[Json], index: object) -> Json:
    """Find the item of a stream by its ``index``, or begin it."""
    for item in items:
        if item["index"] == index:
            return item
    items.append({"index": index})
    return items[-1]


def _append(so_far: Json, delta: Json) -> None:
    so_far["content"] = so_far.get("content", "") + (text(delta.get("content")) or "")
    for call in mappings(delta.get("tool_calls")):
        function = _indexed(so_far.setdefault("tool_calls", []), call.get("index"))
        function.setdefault("id", call.get("id"))
        piece = mapping(call.get("function"))
        made = function.setdefault("function", {"name": piece.get("name"), "arguments": ""})
        made["arguments"] += text(piece.get("arguments")) or ""


def _parts(item: Json) -> list[Part]:
    if item.get("role") == "tool":
        return [tool_response_part(item.get("tool_call_id"), item.get("content"))]
    parts = block_parts(item.get("content"))
    for call in mappings(item.get("tool_calls")):
        function = mapping(call.get("function"))
        parts.append(tool_call_part(call.get("id"), function.get("name"), function.get("arguments")))
    return parts
