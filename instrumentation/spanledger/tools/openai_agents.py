"""OpenAI Agents SDK: function tools, those of MCP servers and agents as tools among them."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(_function: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    return ToolCall(
        name=kwargs["function_tool"].name, arguments=kwargs["arguments"], call_id=kwargs["context"].tool_call_id
    )


def _failed(result: Any) -> bool:
    """The SDK makes a text of an exception, which the model gets as the tool's answer."""
    return getattr(result, "is_sdk_generated_error", False) is True


RUNTIME = ToolRuntime(
    name="openai_agents",
    targets={
        "agents.run_internal.tool_execution": ("_invoke_function_tool_with_metadata", "invoke_function_tool"),
        "agents.realtime.session": ("invoke_function_tool",),
    },
    describe=_describe,
    failed=_failed,
)
