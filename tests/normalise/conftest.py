"""Spans and log records with given attributes, for tests of what a dialect makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from spanledger_collector.model import Event, Fact, Resource, Span
from spanledger_collector.normalise import normalise

FactOf = Callable[..., Fact | None]
RecordWith = Callable[..., ExportLogsServiceRequest]


@pytest.fixture
def fact_of() -> FactOf:
    """What a span of one second with these attributes states."""

    def make(
        attributes: dict[str, Any], scope: str = "", name: str = "", status: int = 0, events: tuple[Event, ...] = ()
    ) -> Fact | None:
        return normalise(
            Span(
                trace_id="0a" * 16,
                span_id="0b" * 8,
                parent_span_id="",
                name=name,
                kind=1,
                start_ns=10**18,
                end_ns=10**18 + 10**9,
                status_code=status,
                status_message="",
                trace_state="",
                attributes=attributes,
                events=list(events),
                links=[],
                scope_name=scope,
                scope_version="",
                resource=Resource({"service.name": "app"}),
            )
        )

    return make


@pytest.fixture
def fact(fact_of: FactOf) -> Callable[..., Fact]:
    """The same of a scope and its attributes, of which something is to be stated."""

    def make(scope: str, attributes: dict[str, Any], **values: Any) -> Fact:
        found = fact_of(attributes, scope, **values)
        assert found is not None
        return found

    return make


@pytest.fixture
def record_with() -> RecordWith:
    """A request with one log record, written at ``time_ns``, with these attributes."""

    def make(
        attributes: dict[str, Any], time_ns: int = 10**18, trace_id: bytes = b"", span_id: bytes = b""
    ) -> ExportLogsServiceRequest:
        request = ExportLogsServiceRequest()
        resource_logs = request.resource_logs.add()
        resource_logs.resource.attributes.add(key="service.name").value.string_value = "app"
        record = resource_logs.scope_logs.add().log_records.add(
            time_unix_nano=time_ns, trace_id=trace_id, span_id=span_id
        )
        for key, value in attributes.items():
            pair = record.attributes.add(key=key)
            field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
            setattr(pair.value, field, value)
        return request

    return make
