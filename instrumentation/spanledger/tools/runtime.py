"""The seam of the tool runtimes: where each runs its tools, and how it says what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from spanledger.execution import ToolCall


def never_failed(_result: Any) -> bool:
    """For runtimes that raise what goes wrong."""
    return False


class ToolRuntime(NamedTuple):
    """One library that executes tools for models."""

    name: str
    targets: Mapping[str, tuple[str, ...]]
    """Module → the functions and methods in it (``Class.method``) that execute one tool each, sync or async. What a
    version does not have is left out: its executions are inferred from the conversation."""
    describe: Callable[[Any, tuple[Any, ...], dict[str, Any]], ToolCall]
    """Takes the object (None for a function), the positional and the named arguments of a target."""
    failed: Callable[[Any], bool] = never_failed
    """Whether a target's result is that of a failure."""
    pauses: frozenset[str] = frozenset()
    """Names of exceptions by which a tool waits for somebody; they and what is derived from them are no failures."""

    def is_pause(self, error: BaseException) -> bool:
        """Whether ``error`` says that the execution goes on later."""
        return any(kind.__name__ in self.pauses for kind in type(error).__mro__)
