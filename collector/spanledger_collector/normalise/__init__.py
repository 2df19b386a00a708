"""From any dialect to facts in the ledger's terms, one file a dialect.

``normalise(span) -> Fact | None`` for spans, ``facts_of_logs(request) -> list[Fact]`` for coding agents' log records.
"""

from spanledger_collector.normalise.classify import context, name_tells, normalise, scope_tells
from spanledger_collector.normalise.logs import facts_of_logs, states_calls

__all__ = ["context", "facts_of_logs", "name_tells", "normalise", "scope_tells", "states_calls"]
