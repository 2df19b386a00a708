"""OTLP requests to rows of ``otel_traces`` and to spans: one seam, ``Decoder.decode(requests) -> Batch``."""

from spanledger_collector.decode.decoder import Batch, Decoder, TraceRequest

__all__ = ["Batch", "Decoder", "TraceRequest"]
