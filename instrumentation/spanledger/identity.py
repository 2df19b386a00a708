"""Who a call is for, read from the baggage of a context: task, agent, team, user and session.

The baggage lives in the OpenTelemetry context, which is a context variable: it follows the flow of control
through ``await`` and, by any W3C propagator, into other processes.
"""

from __future__ import annotations

from opentelemetry import baggage
from opentelemetry.context import Context, get_current

from spanledger.attributes import IDENTITY


def identity_of(context: Context | None = None) -> dict[str, str]:
    """Give the identity attributes of ``context`` (None: the current one); what nobody set is absent."""
    carried = baggage.get_all(context)
    return {name: str(carried[name]) for name in IDENTITY if name in carried}


def with_identity(identity: dict[str, str]) -> Context:
    """Give the current context with the fields of ``identity`` set; the others keep what they had."""
    context = get_current()
    for name, value in identity.items():
        context = baggage.set_baggage(name, value, context)
    return context
