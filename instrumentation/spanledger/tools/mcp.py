"""Model Context Protocol: the calls of a client. What the server does is another process's."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(_session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    name, arguments = (*args, None, None)[:2]
    return ToolCall(name=kwargs.get("name", name), arguments=kwargs.get("arguments", arguments) or {}, type="extension")


def _failed(result: Any) -> bool:
    # Named isError before version 2.
    return getattr(result, "is_error", False) is True or getattr(result, "isError", False) is True


RUNTIME = ToolRuntime(
    name="mcp",
    targets={"mcp.client.session": ("ClientSession.call_tool",)},
    describe=_describe,
    failed=_failed,
)
