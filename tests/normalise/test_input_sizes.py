"""What our instrumentation measured of a call's input is in the fact, under the names it writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spanledger.attributes import (
    INPUT_BYTES,
    INPUT_REPEATED_BYTES,
    INPUT_TOOLS_BYTES,
    INPUT_TOOLS_COUNT,
    INPUT_TOOLS_HASH,
)
from spanledger_collector.model import Fact

SIZES: dict[str, Any] = {
    INPUT_BYTES: 4000,
    INPUT_REPEATED_BYTES: 3000,
    INPUT_TOOLS_BYTES: 800,
    INPUT_TOOLS_COUNT: 4,
    INPUT_TOOLS_HASH: "00c0ffee00c0ffee",
}


def test_sizes_are_read(fact: Callable[..., Fact]) -> None:
    """Each attribute has its field, and none of them is reported as usage that nobody reads."""
    found = fact("spanledger", {"gen_ai.operation.name": "chat", **SIZES})
    assert (
        found.input_bytes,
        found.repeated_input_bytes,
        found.tool_definitions_bytes,
        found.tool_definitions,
        found.tool_definitions_hash,
    ) == tuple(SIZES.values())
    assert found.unread_usage_attributes == ""


def test_sizes_are_no_usage(fact: Callable[..., Fact]) -> None:
    """A call of which only sizes are known has no token counts, and what is no count is not known."""
    found = fact("spanledger", {"gen_ai.operation.name": "chat", **SIZES, INPUT_BYTES: -1, INPUT_TOOLS_COUNT: "many"})
    assert (found.input_tokens, found.output_tokens) == (None, None)
    assert (found.input_bytes, found.tool_definitions) == (None, None)
