"""The spans that spanledger opens: how they start, fail and end. Needs the OpenTelemetry API only."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from spanledger import clock
from spanledger.attributes import ERROR_TYPE
from spanledger.guard import report_once
from spanledger.identity import identity_of

SCOPE_NAME = "spanledger"
INFERRED_SCOPE_NAME = "spanledger.inferred"
"""A scope of its own: the collector takes spans of two scopes with one tool call id for copies of one execution."""

__version__ = version("spanledger")

_override: TracerProvider | None = None
_tracers: dict[str, tuple[TracerProvider, Tracer]] = {}


def use_provider(provider: TracerProvider | None) -> TracerProvider | None:
    """Take ``provider`` for the global one (None: the global one again); give what was taken before."""
    global _override
    before, _override = _override, provider
    return before


def tracer(scope: str = SCOPE_NAME) -> Tracer:
    """Give spanledger's tracer of the provider that holds now."""
    provider = _override or trace.get_tracer_provider()
    known = _tracers.get(scope)
    if known is None or known[0] is not provider:
        # Kept, as the SDK's get_tracer takes a lock and tens of microseconds.
        known = _tracers[scope] = (provider, provider.get_tracer(scope, __version__))
    return known[1]


def start_span(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue],
    context: Context | None = None,
    started_ns: int | None = None,
    scope: str = SCOPE_NAME,
) -> Span:
    """Start a span in ``context`` (None: the current one) that says whom it is for. Never raises."""
    try:
        identity = identity_of(context)
        return tracer(scope).start_span(
            name,
            context=context,
            kind=kind,
            attributes={**attributes, **identity} if identity else attributes,
            start_time=started_ns or clock.now_ns(),
        )
    except Exception as error:
        report_once(error)
        # A stand-in with the parent's ids keeps the trace whole when a sampler or a processor fails.
        return NonRecordingSpan(trace.get_current_span(context).get_span_context())


def end_span(span: Span, error: BaseException | None = None, ended_ns: int | None = None) -> None:
    """End ``span``, as failed where there was an ``error``, whose text is not recorded. Never raises."""
    try:
        try:
            if error is not None:
                mark_failed(span, class_name(error))
        finally:
            span.end(end_time=ended_ns or clock.now_ns())
    except Exception as failure:
        report_once(failure)


def mark_failed(span: Span, error_type: str) -> None:
    """Set status ERROR and ``error.type``."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute(ERROR_TYPE, error_type)


def class_name(error: BaseException) -> str:
    """Give the fully qualified class name, without a module for builtins (convention of ``error.type``)."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
