"""The tracer provider: the application's own where it has one, else one that sends to the collector."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._once import Once

from spanledger.patching import Patch, Patching
from spanledger.stamp import IdentityProcessor

_stamps: WeakKeyDictionary[TracerProvider, IdentityProcessor] = WeakKeyDictionary()
_own: TracerProvider | None = None


def ensure_provider() -> None:
    """Use the SDK tracer provider that is set, or set one; spans of either say whom they are for from now on.

    A provider that is no SDK provider (a vendor's own) is left alone. The application may still set its own: ours
    gives way to it.
    """
    global _own  # noqa: PLW0603 - OpenTelemetry has one provider a process
    SETTING.start()
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        # Where the application has a provider, what an exporter needs is not imported.
        from spanledger.exporting import make_provider

        provider = _own = make_provider()
        trace.set_tracer_provider(provider)
    if isinstance(provider, TracerProvider):
        stamp(provider)


def _give_way(set_provider: Any, _module: None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """OpenTelemetry takes the first provider only; that would be ours, imported before the application sets its own."""
    if _own is not None and trace.get_tracer_provider() is _own:
        trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()
    set_provider(*args, **kwargs)
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        stamp(provider)


SETTING = Patching([Patch("opentelemetry.trace", "set_tracer_provider", _give_way)])


def stamp(provider: TracerProvider) -> None:
    """Let every span of ``provider`` carry its identity; doing it twice is doing it once."""
    if provider in _stamps:
        _stamps[provider].active = True
        return
    _stamps[provider] = IdentityProcessor()
    provider.add_span_processor(_stamps[provider])


def unstamp_all() -> None:
    """Let no provider's spans be stamped any more."""
    for processor in _stamps.values():
        processor.active = False
