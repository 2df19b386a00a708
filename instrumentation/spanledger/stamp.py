"""Whom it is for, stamped on every span of the process, whoever opened it."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from spanledger.guard import guarded
from spanledger.identity import identity_of


class IdentityProcessor(SpanProcessor):
    """Copies the identity that the parent context's baggage carries to each span that starts in it."""

    def __init__(self) -> None:
        self.active = True
        """A processor cannot be taken from a provider again; this one can be told to rest."""

    @guarded
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp ``span``; fields that nobody set are not written."""
        if self.active:
            span.set_attributes(identity_of(parent_context))
