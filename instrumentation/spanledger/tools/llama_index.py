"""LlamaIndex: functions, query engines and retrievers as tools."""

from __future__ import annotations

from typing import Any

from spanledger.execution import ToolCall
from spanledger.tools.runtime import ToolRuntime


def _describe(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
    return ToolCall(name=tool.metadata.get_name(), arguments={"args": args, **kwargs} if args else kwargs)


def _failed(result: Any) -> bool:
    return getattr(result, "is_error", False) is True


RUNTIME = ToolRuntime(
    name="llama_index",
    targets={
        "llama_index.core.tools.function_tool": ("FunctionTool.call", "FunctionTool.acall"),
        "llama_index.core.tools.query_engine": ("QueryEngineTool.call", "QueryEngineTool.acall"),
        "llama_index.core.tools.retriever_tool": ("RetrieverTool.call", "RetrieverTool.acall"),
    },
    describe=_describe,
    failed=_failed,
)
