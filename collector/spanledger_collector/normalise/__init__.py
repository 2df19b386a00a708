"""From any dialect to a fact in the ledger's terms: ``normalise(span) -> Fact | None``. One file a dialect."""

from spanledger_collector.normalise.classify import context, normalise

__all__ = ["context", "normalise"]
