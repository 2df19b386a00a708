"""CrewAI: tools that a model calls natively, and those of its own ReAct loop."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    given = kwargs.get("input", args[0] if args else {}) if _takes_input(tool) else _named(tool, args, kwargs)
    return ToolCall(name=tool.name, arguments=given)


def _takes_input(tool: Any) -> bool:
    """Whether it takes all arguments as one: the structured form of a tool does."""
    return hasattr(tool, "invoke")


def _named(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(tool.args_schema.model_fields, args, strict=False)) | kwargs


RUNTIME = ToolRuntime(
    name="crewai",
    targets={
        "crewai.tools.base_tool": ("BaseTool.run", "BaseTool.arun", "Tool.run", "Tool.arun"),
        "crewai.tools.structured_tool": ("CrewStructuredTool.invoke", "CrewStructuredTool.ainvoke"),
    },
    describe=_describe,
)
