"""Putting spans around the executions of the runtimes that the application imports."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from spanledger.execution import Execution
from spanledger.guard import guarded
from spanledger.patching import Patch, Patching
from spanledger.tools import crewai, langchain, llama_index, mcp, openai_agents, pydantic_ai, smolagents
from spanledger.tools.runtime import ToolRuntime

RUNTIMES = (
    crewai.RUNTIME,
    langchain.RUNTIME,
    llama_index.RUNTIME,
    mcp.RUNTIME,
    openai_agents.RUNTIME,
    pydantic_ai.RUNTIME,
    smolagents.RUNTIME,
)

Execute = Callable[..., Any]


def _execute(runtime: ToolRuntime, execute: Execute, instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    if inspect.iscoroutinefunction(execute):
        return _execute_async(runtime, execute, instance, args, kwargs)
    execution = _begin(runtime, instance, args, kwargs)
    if execution is None:
        return execute(*args, **kwargs)
    with execution:
        result = execute(*args, **kwargs)
        _look_at(runtime, execution, result)
    return result


async def _execute_async(
    runtime: ToolRuntime, execute: Execute, instance: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    execution = _begin(runtime, instance, args, kwargs)
    if execution is None:
        return await execute(*args, **kwargs)
    with execution:
        result = await execute(*args, **kwargs)
        _look_at(runtime, execution, result)
    return result


@guarded
def _begin(runtime: ToolRuntime, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution | None:
    return Execution(runtime.name, runtime.describe(instance, args, kwargs), runtime.is_pause)


@guarded
def _look_at(runtime: ToolRuntime, execution: Execution, result: Any) -> None:
    if runtime.failed(result):
        execution.failed()


TOOLS = Patching(
    [
        Patch(module, target, partial(_execute, runtime))
        for runtime in RUNTIMES
        for module, targets in runtime.targets.items()
        for target in targets
    ]
)
"""Started by ``spanledger.instrument()``, stopped by ``spanledger.uninstrument()``."""
