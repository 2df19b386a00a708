"""Prompts and completions in the message shape of the GenAI conventions; only where content is captured."""

from __future__ import annotations

from typing import Any

from spanledger.wire.format import Json, mapping, parse_object

Part = dict[str, Any]


def text_part(content: Any) -> Part:
    """Plain text."""
    return {"type": "text", "content": content}


def tool_call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """A tool call that the model asks for; arguments that are JSON text are decoded."""
    decoded = parse_object(arguments) or arguments if isinstance(arguments, str) else arguments
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": decoded}


def tool_response_part(call_id: Any, response: Any, *, name: Any = None, is_error: bool = False) -> Part:
    """What a tool answered; its name where there is no id, and that it failed where the format can say it."""
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    if call_id is None and name is not None:
        part["name"] = name
    return {**part, "is_error": True} if is_error else part


def block_part(block: Any) -> Part:
    """One content block of any provider; a kind without a name in the conventions stays as it is."""
    match mapping(block):
        case {"type": "text" | "input_text" | "output_text", "text": content}:
            return text_part(content)
        case {"type": "thinking", "thinking": content}:
            return {"type": "reasoning", "content": content}
        case {"type": "tool_use", "id": call_id, "name": name, "input": arguments}:
            return tool_call_part(call_id, name, arguments)
        case {"type": "tool_result", "tool_use_id": call_id} as result:
            return tool_response_part(call_id, result.get("content"), is_error=result.get("is_error") is True)
        case other:
            return {"type": "unknown", **other}


def block_parts(content: Any) -> list[Part]:
    """Give the parts of a content field, which is a string or a list of blocks."""
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [block_part(block) for block in content] if isinstance(content, list) else []


def message(role: Any, parts: list[Part], finish_reason: Any = None) -> Json:
    """One message; ``finish_reason`` only on what a model said."""
    made: Json = {"role": role, "parts": parts}
    return made if finish_reason is None else {**made, "finish_reason": finish_reason}
