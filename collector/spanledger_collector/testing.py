"""A collector without sockets and without a store, for tests: requests in, ledger rows out.

::

    collector = MemoryCollector()
    collector.send(request)
    assert [call.input_tokens for call in collector.calls()] == [1200]
"""

from __future__ import annotations

from functools import cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.model import Call
from spanledger_collector.pipeline import Pipeline
from spanledger_collector.price import Catalogue


@cache
def _catalogue() -> Catalogue:
    return Catalogue.load()


class MemoryCollector:
    """All stages of the pipeline on the in-memory twin of the ledger."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not in the ledger, as a new process would."""
        self._pipeline = Pipeline(self.ledger, _catalogue())

    def send(self, *requests: ExportTraceServiceRequest) -> None:
        """Process these requests as one batch."""
        self._pipeline.process(requests)

    def calls(self) -> list[Call]:
        """The ledger, in order of start."""
        return self.ledger.calls()
