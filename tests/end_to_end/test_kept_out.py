"""What settings keep out is on no disk; what a collector says of itself is true."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .conftest import Serving, run

SECRET = "sk-0123456789abcdefghijklmnop"
PROTOBUF = {"content-type": "application/x-protobuf"}
SETTINGS = """
log_format: json
traces_days: 3
redaction:
  - {value: "sk-[a-z0-9]{20,}", action: mask}
limits: {max_attributes: 2}
"""


def test_redaction_limits_status_and_health_of_a_process(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """A masked secret is in no file of the data directory; what was cut is told; health, status and log say what is."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS)
    serving = serve(extra=("--config", settings))
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name=f"call with {SECRET}", start_time_unix_nano=time.time_ns()
        )
    )
    for name in ("first", "second", "third"):
        span.attributes.add(key=name).value.string_value = f"Bearer {SECRET}"
    answer = httpx.post(f"{serving.http}/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, "max_attributes" in partial.error_message) == (0, True)

    # An answer waits for what was acknowledged, so that the span has left the journal for the store by then.
    httpx.get(f"{serving.api}/api/queries/calls")
    ready = httpx.get(f"{serving.api}/readyz").json()
    assert ready == {"ready": True, "listeners": "ok", "journal": "ok", "consumer": "ok", "store": "ok"}
    state = json.loads(run("status", "--format", "json", "--data", serving.data).stdout)
    assert {row["table"]: row["rows"] for row in state["tables"]}["otel_traces"] == 1
    assert (state["journal"]["requests"], state["journal"]["lag_s"]) == (0, 0)
    exposition = httpx.get(f"{serving.api}/metrics").text
    assert 'spanledger_receiver_accepted_spans_total{transport="http"} 1.0' in exposition
    assert 'spanledger_receiver_limits_hit_total{limit="attribute_count"} 1.0' in exposition
    assert "spanledger_receiver_redacted_values_total 4.0" in exposition

    assert serving.stop() == 0
    written = [path for path in serving.data.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    told = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert "table otel_traces keeps its rows for 3 days" in [line["message"] for line in told]
