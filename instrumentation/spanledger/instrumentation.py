"""Switching the instrumentation on and off."""

from __future__ import annotations

from spanledger.guard import guarded


@guarded
def instrument() -> None:
    """Trace this process's LLM calls from now on; what ``import spanledger.auto`` does. Twice is once."""
    from spanledger.provider import ensure_provider
    from spanledger.wire.httpx import watch_clients

    ensure_provider()
    watch_clients()


@guarded
def uninstrument() -> None:
    """Give back the HTTP clients as they were, and stamp no spans any more.

    A tracer provider that spanledger set stays: OpenTelemetry lets it be set once a process.
    :func:`instrument` switches everything on again.
    """
    from spanledger.provider import unstamp_all
    from spanledger.wire.httpx import unwatch_clients

    unwatch_clients()
    unstamp_all()
