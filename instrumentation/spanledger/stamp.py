"""What is done with every span of the process, whoever opened it: it is told whom it is for."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger.attributes import EXECUTE_TOOL, OPERATION_NAME, TASK, TOOL_CALL_ID, TOOL_INFERRED, TOOL_NAME
from spanledger.conversation import executed
from spanledger.guard import guarded
from spanledger.identity import identity_of
from spanledger.tracing import INFERRED_SCOPE_NAME, SCOPE_NAME

TOOL_CALL_IDS = (TOOL_CALL_ID, "tool_call.id", "tool.id")
"""Where instrumentors put the model's id of a tool call: those of the GenAI conventions, and OpenInference."""

OWN_SCOPES = (SCOPE_NAME, INFERRED_SCOPE_NAME)

TOOL_NAMES = (TOOL_NAME, "tool.name")
"""Where they put the tool's name."""


class IdentityProcessor(SpanProcessor):
    """Copies the identity that the parent context's baggage carries to each span that starts in it."""

    def __init__(self) -> None:
        self.active = True
        """A processor cannot be taken from a provider again; this one can be told to rest."""

    @guarded
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp ``span``; fields that nobody set are not written."""
        scope = span.instrumentation_scope
        if scope is not None and scope.name in OWN_SCOPES:
            return  # Spans of ours say it from the start.
        if self.active and (identity := identity_of(parent_context)):
            span.set_attributes(identity)

    @guarded
    def on_end(self, span: ReadableSpan) -> None:
        """Note the tool execution that ``span`` is, so that it is not inferred, too."""
        said = span.attributes
        if not self.active or not said or said.get(OPERATION_NAME, EXECUTE_TOOL) != EXECUTE_TOOL:
            return
        if TOOL_INFERRED in said:
            return
        for name in TOOL_CALL_IDS:
            if name in said:
                trace_id = span.context.trace_id if span.context else 0
                tasks = [str(said[TASK]), trace_id] if TASK in said else [trace_id, 0]
                executed(str(said[name]), tasks, str(next((said[n] for n in TOOL_NAMES if n in said), "")))
                return
