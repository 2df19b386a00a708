"""OTLP requests to rows of ``otel_traces`` and to spans: one seam, ``Decoder.decode(requests) -> Batch``."""

from __future__ import annotations

from typing import Any

from spanledger_collector.compiled import twin
from spanledger_collector.decode import decoder
from spanledger_collector.decode.batch import Batch, PlainSpans, SpanPlace, TraceRequest

__all__ = ["Batch", "Decoder", "PlainSpans", "SpanPlace", "TraceRequest"]

_compiled: Any = twin("decode.compiled_decoder")

Decoder: type[decoder.Decoder] = decoder.Decoder if _compiled is None else _compiled.Decoder
"""The compiled one where there is one."""
