"""OTLP requests to spans and to the columns of ``otel_traces``: one seam, ``decode(requests) -> Batch``."""

from spanledger_collector.decode.spans import Batch, decode

__all__ = ["Batch", "decode"]
