"""How much text a streamed chat completion has whose usage nobody asked for: its tokens are estimated from that.

Sizes are bytes of UTF-8: of the tool definitions, the system prompt and the messages without images, sounds and files;
and of the text, the reasoning and the tool arguments in the answer. The collector makes tokens of them, and marks them.
"""

from __future__ import annotations

import re

from spanledger import attributes as name
from spanledger.canonical import canonical_json
from spanledger.wire.content import Part, block_parts
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, mapping

SPOKEN = re.compile(rb'"(?:content|reasoning(?:_content)?|refusal|arguments)"\s*:\s*"((?:[^"\\]+|\\.)*)')


def is_uncounted(wire_format: WireFormat, request: Json) -> bool:
    """Whether a stream's usage would have to be asked for, and is not."""
    return wire_format.is_asked_for_usage and not mapping(request.get("stream_options")).get("include_usage")


def spoken_bytes(events: bytes) -> int:
    """Give how much text unparsed events of a stream add to the answer."""
    # An escape stands for one byte; six bytes of \uXXXX mostly for three.
    return sum(
        len(text) - text.count(b"\\") - 2 * text.count(b"\\u") if b"\\" in text else len(text)
        for text in SPOKEN.findall(events)
    )


def sizes(wire_format: WireFormat, request: Json, output_bytes: int) -> Attributes:
    """Give what a span says of a call whose usage it cannot say."""
    tools = request.get("tools")
    messages = [*wire_format.input_messages(request), {"parts": wire_format.system_instructions(request)}]
    input_bytes = _size(canonical_json(tools)) if tools else 0
    return {name.UNCOUNTED_INPUT_BYTES: input_bytes + _bytes_of(messages), name.UNCOUNTED_OUTPUT_BYTES: output_bytes}


def _bytes_of(messages: Messages) -> int:
    return sum(_part_bytes(part) for message in messages for part in message["parts"])


def _part_bytes(part: Part) -> int:
    match part:
        case {"type": "text" | "reasoning", "content": str(said)}:
            return _size(said)
        case {"type": "tool_call", "name": str(called), "arguments": arguments}:
            return _size(called) + _size(canonical_json(arguments))
        case {"type": "tool_call_response", "response": answer}:
            return sum(map(_part_bytes, block_parts(answer)))
        case _:
            return 0


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
