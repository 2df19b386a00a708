"""smolagents: tools that an agent calls by name, and those that its code calls."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime

SANITIZE = "sanitize_inputs_outputs"


def _describe(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    named = {name: value for name, value in kwargs.items() if name != SANITIZE}
    if len(args) == 1 and not named and isinstance(args[0], dict):
        return ToolCall(name=tool.name, arguments=args[0])
    return ToolCall(name=tool.name, arguments=dict(zip(tool.inputs, args, strict=False)) | named)


RUNTIME = ToolRuntime(name="smolagents", targets={"smolagents.tools": ("Tool.__call__",)}, describe=_describe)
