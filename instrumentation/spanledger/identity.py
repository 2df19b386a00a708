"""Who a call is for, read from the baggage of a context: task, agent, team, user and session.

The baggage lives in the OpenTelemetry context, which is a context variable: it follows the flow of control
through ``await`` and, by any W3C propagator, into other processes.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.trace import get_current_span

from spanledger.attributes import IDENTITY, TASK


def identity_of(context: Context | None = None) -> dict[str, str]:
    """Give the identity attributes of ``context`` (None: the current one); what nobody set is absent."""
    carried = baggage.get_all(context)
    return {name: str(carried[name]) for name in IDENTITY if name in carried} if carried else {}


def task_of(context: Context | None = None) -> str | int:
    """Give what a call in ``context`` is a part of: the task that somebody named, else the trace, else 0."""
    named = baggage.get_baggage(TASK, context)
    return str(named) if named is not None else get_current_span(context).get_span_context().trace_id


def with_identity(identity: Mapping[str, str], context: Context | None = None) -> Context:
    """Give ``context`` (None: the current one) with the fields of ``identity`` set; the others keep what they had."""
    context = get_current() if context is None else context
    for name, value in identity.items():
        context = baggage.set_baggage(name, value, context)
    return context
