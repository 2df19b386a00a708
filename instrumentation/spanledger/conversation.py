"""What models ask tools for and what tools answer, read from the calls that pass by: so no execution is missed.

An answer that asks for a tool is remembered until the request that brings the tool's result. If the execution was not
seen as a span of its own by then, it becomes one, marked ``spanledger.tool.inferred``: from the end of the answer to
the start of the request. A tool that runs without knowing the model's id of the call finds it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, set_span_in_context
from opentelemetry.util.types import AttributeValue

from spanledger.attributes import (
    EXECUTE_TOOL,
    OPERATION_NAME,
    TOOL_ARGUMENTS_HASH,
    TOOL_CALL_ID,
    TOOL_ERROR,
    TOOL_INFERRED,
    TOOL_NAME,
    TOOL_TYPE,
)
from spanledger.canonical import canonical_json
from spanledger.identity import task_of, with_identity
from spanledger.tracing import INFERRED_SCOPE_NAME, end_span, mark_failed, start_span

MOST_REMEMBERED = 1024
"""Tool calls that may wait for their results at a time; the oldest are forgotten first."""


Key = tuple[str | int, str]
"""Task and call id: some models count their calls, so that ids come again in every conversation."""


@dataclass(slots=True)
class Asked:
    """A tool call that a model asked for and whose result has not been sent yet."""

    call_id: str
    """The model's, or what stands for it where the model gave none."""
    has_id: bool
    name: str
    arguments_hash: str
    argument_hashes: frozenset[int]
    """Of each argument by itself: a function may take more than the model gave. Valid in this process only."""
    asked_ns: int
    task: str | int
    parent: SpanContext
    identity: Mapping[str, str]
    claimants: list[object] = field(default_factory=list)
    """Executions with spans of their own that took themselves for this one; the first of them is."""

    def context(self) -> Context:
        """Give the context that the execution belongs to."""
        return set_span_in_context(NonRecordingSpan(self.parent), with_identity(self.identity, Context()))


_asked: dict[Key, Asked] = {}
_executed: dict[Key, None] = {}
"""Executions that were seen before the answer that asked for them had ended."""


def remember(asked: Asked) -> None:
    """Let the result of ``asked`` be waited for, unless its execution has been seen already."""
    key = (asked.task, asked.call_id)
    if key in _executed:
        _executed.pop(key, None)
    else:
        _asked[key] = asked
        _forget_oldest(_asked)


def is_waiting() -> bool:
    """Whether any result is waited for."""
    return bool(_asked)


def answer(task: str | int, call_id: str, answered_ns: int, *, failed: bool) -> None:
    """Take the result of a call, known by now; if nobody has seen the execution, make its span of what is known."""
    asked = _asked.pop((task, call_id), None)
    if asked is None or asked.claimants:
        return
    attributes: dict[str, AttributeValue] = {
        OPERATION_NAME: EXECUTE_TOOL,
        TOOL_NAME: asked.name,
        TOOL_TYPE: "function",
        TOOL_ARGUMENTS_HASH: asked.arguments_hash,
        TOOL_INFERRED: True,
    }
    if asked.has_id:
        attributes[TOOL_CALL_ID] = asked.call_id
    name = f"{EXECUTE_TOOL} {asked.name}"
    span = start_span(name, SpanKind.INTERNAL, attributes, asked.context(), asked.asked_ns, INFERRED_SCOPE_NAME)
    if failed:
        mark_failed(span, TOOL_ERROR)
    end_span(span, ended_ns=max(answered_ns, asked.asked_ns))


def executed(call_id: str, tasks: Sequence[str | int], name: str) -> None:
    """Note that an execution has been seen as a span, which belongs to the first of ``tasks`` that asked for it.

    Where the model gave no id, its SDK or framework may make one: then the span is known by the ``name`` of its tool.
    """
    for task in tasks:
        if _asked.pop((task, call_id), None) is not None:
            return
    for key, asked in list(_asked.items()):
        is_unseen = not asked.has_id and not asked.claimants
        if is_unseen and asked.name == name and asked.task in tasks and _asked.pop(key, None) is not None:
            return
    _executed[tasks[0], call_id] = None
    _forget_oldest(_executed)


def claim(name: str, arguments: Any) -> Asked | None:
    """Find the call that asked for this execution, which is then nobody else's.

    It is one with the same arguments, of the same task if there is one; or, as functions may take arguments in other
    forms than models give them, the only one of that name in the task.
    """
    candidates = [asked for asked in list(_asked.values()) if asked.name == name and not asked.claimants]
    if not candidates:
        return None
    task, given = task_of(), argument_hashes(arguments)
    of_task = [asked for asked in candidates if asked.task == task]
    fitting = [asked for asked in (*of_task, *candidates) if asked.argument_hashes <= given]
    claimant = object()
    for asked in fitting or (of_task if len(of_task) == 1 else []):
        # Appending is atomic: of two threads at the same call, one is the first.
        asked.claimants.append(claimant)
        if asked.claimants[0] is claimant:
            return asked
    return None


def forget_all() -> None:
    """Begin anew, as if no call had been seen."""
    _asked.clear()
    _executed.clear()


def argument_hashes(arguments: Any) -> frozenset[int]:
    """Give a hash of each argument; of anything that is no mapping, one."""
    if not isinstance(arguments, Mapping):
        return frozenset((hash(canonical_json(arguments)),))
    return frozenset(hash((name, canonical_json(value))) for name, value in arguments.items())


def _forget_oldest(remembered: dict[Key, Any]) -> None:
    for key in list(islice(remembered, max(0, len(remembered) - MOST_REMEMBERED))):
        remembered.pop(key, None)
