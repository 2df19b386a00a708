"""A collector without sockets and without a store, for tests: requests in, ledger rows out.

::

    collector = MemoryCollector()
    collector.send(request)
    assert [call.input_tokens for call in collector.calls()] == [1200]
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from spanledger_collector.export.memory import MemoryLedger
from spanledger_collector.model import Call
from spanledger_collector.pipeline import LedgerRequest, Pipeline
from spanledger_collector.price import Catalogue
from spanledger_collector.receive.otlp_json import parse_json
from spanledger_collector.receive.otlp_protobuf import parse_protobuf


@cache
def _catalogue() -> Catalogue:
    return Catalogue.load()


def read_logs(path: Path) -> ExportLogsServiceRequest:
    """The request of log records in a file, OTLP/JSON by the suffix ``.json``, else protobuf."""
    parse = parse_json if path.suffix == ".json" else parse_protobuf
    return cast(ExportLogsServiceRequest, parse("logs", path.read_bytes()))


class MemoryCollector:
    """All stages of the pipeline on the in-memory twin of the ledger."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not in the ledger, as a new process would."""
        self._pipeline = Pipeline(self.ledger, _catalogue())

    def send(self, *requests: LedgerRequest) -> None:
        """Process these requests as one batch."""
        self._pipeline.process(requests)

    def calls(self) -> list[Call]:
        """The ledger, in order of start."""
        return self.ledger.calls()
