"""Switching the instrumentation on and off."""

from __future__ import annotations

from spanledger.guard import guarded


@guarded
def instrument() -> None:
    """Trace this process's LLM calls from now on; what ``import spanledger.auto`` does. Twice is once."""
    from spanledger.incoming import INCOMING
    from spanledger.provider import ensure_provider
    from spanledger.tools.watching import TOOLS
    from spanledger.wire.clients import CLIENTS

    ensure_provider()
    CLIENTS.start()
    TOOLS.start()
    INCOMING.start()


@guarded
def uninstrument() -> None:
    """Give back the HTTP clients and the tool runtimes as they were, and stamp no spans any more.

    A tracer provider that spanledger set stays as long as the application does not set its own.
    :func:`instrument` switches everything on again.
    """
    from spanledger.incoming import INCOMING
    from spanledger.provider import unstamp_all
    from spanledger.tools.watching import TOOLS
    from spanledger.wire.clients import CLIENTS

    CLIENTS.stop()
    TOOLS.stop()
    INCOMING.stop()
    unstamp_all()
