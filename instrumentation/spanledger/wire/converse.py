"""Amazon Bedrock's own API for every model behind it: Converse and ConverseStream."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
    parse_object,
    text,
)
from spanledger.wire.splitting import FrameSplitter, Splitter

MODEL = re.compile(r"/model/(.+)/[\w-]+$")


class Bedrock(WireFormat):
    """What the operations of ``bedrock-runtime`` have in common: model in the path, frames, identity in the head."""

    provider = "aws.bedrock"

    def request_model(self, path: str, request: Json) -> str | None:
        """The path names it; an ARN has slashes of its own."""
        found = MODEL.search(path)
        return found[1] if found else None

    def is_streamed(self, path: str, request: Json) -> bool:
        """The path tells."""
        return path.endswith("-stream")

    def splitter(self, content_type: str, *, streamed: bool) -> Splitter | None:
        """Streams come in frames of Amazon's."""
        return FrameSplitter() if "vnd.amazon.eventstream" in content_type else None

    def head(self, headers: Mapping[str, str]) -> Json:
        """The request's id is the only one that a Converse answer has; the error's type is nowhere else, either."""
        error_type = headers.get("x-amzn-errortype", "").partition(":")[0]
        head: Json = {"id": headers.get("x-amzn-requestid")}
        return {**head, "error": {"type": error_type}} if error_type else head


class Converse(Bedrock):
    """``POST /model/{model}/converse``; raw input tokens EXCLUDE cache reads and writes."""

    operation = "chat"
    telling = Pattern(rb'"(metadata|messageStop|error|toolUse|contentBlockStop)":')
    last = re.compile(rb'^\{"metadata":')

    def recognises(self, request: Json) -> bool:
        """A conversation has messages; a managed prompt brings its own."""
        return "messages" in request or "promptVariables" in request

    def response_attributes(self, response: Json) -> Attributes:
        """The three kinds of input are summed; a kind that is not reported counts nothing."""
        usage = mapping(response.get("usage"))
        uncached = count(usage.get("inputTokens"))
        cache_read = count(usage.get("cacheReadInputTokens"))
        cache_write = count(usage.get("cacheWriteInputTokens"))
        reason = text(response.get("stopReason"))
        return known(
            {
                name.RESPONSE_ID: text(response.get("id")),
                name.RESPONSE_FINISH_REASONS: [reason] if reason else None,
                name.INPUT_TOKENS: None if uncached is None else uncached + (cache_read or 0) + (cache_write or 0),
                name.CACHE_READ_TOKENS: cache_read,
                name.CACHE_WRITE_TOKENS: cache_write,
                name.ANTHROPIC_CACHE_WRITE_1H_TOKENS: _written_for(usage, "1h"),
                name.OUTPUT_TOKENS: count(usage.get("outputTokens")),
            }
        )

    def fold(self, response: Json, event: Json) -> bool:
        """Blocks come one after the other; usage comes with the last event."""
        blocks = own_mappings(own_mapping(own_mapping(response, "output"), "message"), "content")
        match event:
            case {"contentBlockStart": {"start": {"toolUse": dict(call)}}}:
                blocks.append({"toolUse": {**call, "input": ""}, "open": True})
            case {"contentBlockDelta": {"delta": dict(delta)}}:
                _append(blocks, delta)
                return True
            case {"contentBlockStop": _}:
                _close(blocks)
            case {"messageStop": dict(stop)}:
                last_known(response, {"stopReason": stop.get("stopReason")})
            case {"metadata": dict(metadata)}:
                last_known(response, {"usage": metadata.get("usage")})
            case {"error": dict(error)}:
                response["error"] = error
        return False

    def input_messages(self, request: Json) -> Messages:
        """The conversation so far."""
        return [message(item.get("role"), _parts(item.get("content"))) for item in mappings(request.get("messages"))]

    def system_instructions(self, request: Json) -> Messages:
        """The system prompt stands beside the messages."""
        return _parts(request.get("system"))

    def output_messages(self, response: Json) -> Messages:
        """One message."""
        parts = _parts(mapping(mapping(response.get("output")).get("message")).get("content"))
        return [message("assistant", parts, response.get("stopReason"))] if parts else []


def _written_for(usage: Json, ttl: str) -> int | None:
    written = [
        tokens
        for detail in mappings(usage.get("cacheDetails"))
        if detail.get("ttl") == ttl and (tokens := count(detail.get("inputTokens"))) is not None
    ]
    return sum(written) if written else None


def _append(blocks: list[Json], delta: Json) -> None:
    """A text block begins without a start; a tool's input comes as pieces of JSON text."""
    if not blocks or not blocks[-1].get("open"):
        blocks.append({"open": True})
    block = blocks[-1]
    if said := text(delta.get("text")):
        block["text"] = (text(block.get("text")) or "") + said
    if piece := text(mapping(delta.get("toolUse")).get("input")):
        call = own_mapping(block, "toolUse")
        call["input"] = (text(call.get("input")) or "") + piece
    if thought := text(mapping(delta.get("reasoningContent")).get("text")):
        reasoning = own_mapping(own_mapping(block, "reasoningContent"), "reasoningText")
        reasoning["text"] = (text(reasoning.get("text")) or "") + thought


def _close(blocks: list[Json]) -> None:
    for block in blocks[-1:]:
        block.pop("open", None)
        call = mapping(block.get("toolUse"))
        if isinstance(call.get("input"), str):
            call["input"] = parse_object(call["input"])


def _parts(content: object) -> list[Part]:
    return [_part(block) for block in mappings(content)]


def _part(block: Json) -> Part:
    match block:
        case {"text": said}:
            return text_part(said)
        case {"reasoningContent": {"reasoningText": {"text": thought}}}:
            return {"type": "reasoning", "content": thought}
        case {"toolUse": {"name": called} as call}:
            return tool_call_part(call.get("toolUseId"), called, call.get("input"))
        case {"toolResult": {"toolUseId": call_id} as result}:
            return tool_response_part(call_id, result.get("content"), is_error=result.get("status") == "error")
        case other:
            return {"type": "unknown", **other}
