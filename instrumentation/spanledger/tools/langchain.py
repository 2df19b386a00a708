"""LangChain and LangGraph: every tool, however it is called, runs by one of two methods of its base class."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    arguments = args[0] if args else kwargs.get("tool_input")
    return ToolCall(name=tool.name, arguments=arguments, call_id=kwargs.get("tool_call_id"))


def _failed(result: Any) -> bool:
    """A tool that handles its errors answers with a message that says so."""
    return getattr(result, "status", None) == "error"


RUNTIME = ToolRuntime(
    name="langchain",
    targets={"langchain_core.tools.base": ("BaseTool.run", "BaseTool.arun")},
    describe=_describe,
    failed=_failed,
    pauses=frozenset(("GraphBubbleUp",)),
)
