"""Whose call it is: the provider as the OpenTelemetry GenAI semantic conventions call it."""

from __future__ import annotations

from functools import lru_cache

from spanledger_collector.names import shipped_names


@lru_cache(maxsize=4096)
def canonical_provider(raw: str, model: str = "") -> str:
    """The canonical name for ``raw``; where that names nobody (or a framework), whose ``model`` it is; else ''.

    Open weights are nobody's: who serves "llama-3.3-70b" and does not say so is unknown.
    """
    names = shipped_names()
    return names.provider(raw) or names.provider_of(model)
