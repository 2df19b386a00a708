"""A tool's execution as a span: the same for ``@tool`` and for every runtime that is watched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
    attach,
    create_key,
    detach,
    get_current,
    get_value,
    set_value,
)
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, get_current_span, set_span_in_context

from spanledger.attributes import (
    EXECUTE_TOOL,
    OPERATION_NAME,
    TOOL_ARGUMENTS_HASH,
    TOOL_CALL_ARGUMENTS,
    TOOL_CALL_ID,
    TOOL_ERROR,
    TOOL_NAME,
    TOOL_TYPE,
)
from spanledger.canonical import canonical_json, short_hash
from spanledger.capture import content_is_captured
from spanledger.conversation import Asked, claim
from spanledger.guard import guarded
from spanledger.tracing import SCOPE_NAME, end_span, mark_failed, start_span

_LAYERS = create_key("spanledger-tool-layers")


class ToolCall(NamedTuple):
    """What is about to be executed."""

    name: str
    arguments: Any
    """A mapping of names to values, or the JSON text of one as the model wrote it; None where they are unknown."""
    call_id: str | None = None
    """The model's id of the call, where the runtime knows it."""
    type: str = "function"
    """``gen_ai.tool.type``: a function of the application, or an ``extension`` that another process runs."""


def start_tool(runtime: str, call: ToolCall) -> Span:
    """Start the span of an execution.

    Where the same execution has its span already, because the call has come through another layer (a runtime's tool
    that wraps a ``@tool``) or because somebody else's ``execute_tool`` span is the current one, that span gets what it
    does not say yet, and the span given here only stands for it: ending it does nothing.
    """
    return _stand_in(runtime, call) or _start(call)


class Execution:
    """Runs a tool inside its span: everything within is below it. Raises nothing of its own."""

    def __init__(
        self, runtime: str, call: ToolCall, is_pause: Callable[[BaseException], bool] = lambda _error: False
    ) -> None:
        self._runtime = runtime
        self._is_pause = is_pause
        self._call = call
        self._span = start_tool(runtime, call)

    def __enter__(self) -> Execution:
        context, current = get_current(), get_current_span()
        outer = _layers(self._call.name)
        layers = _Layers(self._call.name, {*outer.runtimes, self._runtime} if outer else {self._runtime}, current)
        if self._span.get_span_context() != current.get_span_context():
            context = set_span_in_context(self._span, context)
            layers.span = self._span
        self._token: Token[Context] = attach(set_value(_LAYERS, layers, context))
        return self

    def failed(self) -> None:
        """Mark the execution as failed where the runtime returns a failure instead of raising it."""
        mark_failed(self._span, TOOL_ERROR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        detach(self._token)
        end_span(self._span, None if error is None or self._is_pause(error) else error)


@dataclass(slots=True)
class _Layers:
    """The tool that runs, the runtimes through which its call has come so far, and its span."""

    name: str
    runtimes: set[str]
    span: Span


def _layers(tool_name: str) -> _Layers | None:
    """Give the layers above, where they are of this tool and nothing else has been begun in between."""
    running = get_value(_LAYERS)
    if not isinstance(running, _Layers) or running.name != tool_name:
        return None
    return running if running.span is get_current_span() else None


def _start(call: ToolCall) -> Span:
    attributes, asked = _describe(call) or ({}, None)
    # In a thread that no context has reached, the conversation tells where the execution belongs.
    lost = asked is not None and not get_current_span().get_span_context().is_valid
    return start_span(
        f"{EXECUTE_TOOL} {call.name}",
        SpanKind.INTERNAL,
        {OPERATION_NAME: EXECUTE_TOOL, TOOL_NAME: call.name, TOOL_TYPE: call.type, **attributes},
        asked.context() if asked is not None and lost else None,
    )


@guarded
def _stand_in(runtime: str, call: ToolCall) -> Span | None:
    current: Any = get_current_span()
    if get_value(_SUPPRESS_INSTRUMENTATION_KEY):
        return NonRecordingSpan(current.get_span_context())
    outer = _layers(call.name)
    if not (outer and runtime not in outer.runtimes) and not _is_foreign_span_of(current, call.name):
        return None
    if current.is_recording():
        attributes, _ = _describe(call) or ({}, None)
        known = current.attributes or {}
        current.set_attributes({name: value for name, value in attributes.items() if name not in known})
    return NonRecordingSpan(current.get_span_context())


def _is_foreign_span_of(span: Any, tool_name: str) -> bool:
    """Whether another instrumentor says, in the words of the GenAI conventions, that it runs this tool right now."""
    said = getattr(span, "attributes", None)
    if not said or said.get(OPERATION_NAME) != EXECUTE_TOOL or said.get(TOOL_NAME) != tool_name:
        return False
    return bool(span.is_recording()) and span.instrumentation_scope.name != SCOPE_NAME


@guarded
def _describe(call: ToolCall) -> tuple[dict[str, str], Asked | None]:
    """Give the attributes of arguments and call id, and who asked; the arguments only where content is captured."""
    described: dict[str, str] = {}
    arguments = _decoded(call.arguments)
    asked = None if call.call_id else claim(call.name, arguments)
    if call_id := call.call_id or (asked and asked.has_id and asked.call_id):
        described[TOOL_CALL_ID] = call_id
    if arguments is not None:
        text = canonical_json(arguments)
        described[TOOL_ARGUMENTS_HASH] = short_hash(text.encode())
        if content_is_captured():
            described[TOOL_CALL_ARGUMENTS] = text
    return described, asked


def _decoded(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return dict(arguments) if isinstance(arguments, Mapping) else arguments
