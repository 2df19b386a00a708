"""pydantic-ai: function tools. Tools of MCP servers are seen at the MCP client."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(_toolset: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    named = dict(zip(("name", "tool_args", "ctx"), args, strict=False)) | kwargs
    return ToolCall(name=named["name"], arguments=named["tool_args"], call_id=named["ctx"].tool_call_id)


RUNTIME = ToolRuntime(
    name="pydantic_ai",
    targets={"pydantic_ai.toolsets.function": ("FunctionToolset.call_tool",)},
    describe=_describe,
    pauses=frozenset(("ApprovalRequired", "CallDeferred")),
)
