"""From any dialect to facts in the ledger's terms, one file a dialect.

``normalise(span) -> Fact | None`` for spans, ``facts_of_logs(request) -> list[Fact]`` for coding agents' log records.
"""

from __future__ import annotations

from typing import Any

from spanledger_collector.compiled import twin
from spanledger_collector.normalise.classify import context, name_tells, normalise, scope_tells
from spanledger_collector.normalise.logs import facts_of_logs, states_calls

__all__ = ["context", "fact_reader", "facts_of_logs", "name_tells", "normalise", "scope_tells", "states_calls"]

_compiled: Any = twin("normalise.compiled_facts")


def fact_reader() -> Any:
    """What the compiled decoder reads facts by, for one thread; ``None`` where that was not built."""
    return None if _compiled is None else _compiled.Normaliser()
