"""A token's team and environment, put on all that came with it: what the spans themselves claim does not count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector.access import Grant
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import ExportRequest, Signal

TEAM = "spanledger.team"
"""The name that is read first in every dialect; a span's own value is read before its resource's."""
ENVIRONMENT = "deployment.environment.name"
_REPLACED = {TEAM: {TEAM, "team.id", "team"}, ENVIRONMENT: {ENVIRONMENT, "deployment.environment"}}


def pin(signal: Signal, request: ExportRequest, grant: Grant) -> None:
    """Set team and environment on the resources, spans and log records of a request, in place."""
    pinned = {name: text for name, text in ((TEAM, grant.team), (ENVIRONMENT, grant.environment)) if text}
    if not pinned or signal == "metrics":
        return
    replaced = {name for kept in pinned for name in _REPLACED[kept]}
    values = [KeyValue(key=name, value=AnyValue(string_value=text)) for name, text in pinned.items()]
    for attributes in _attribute_lists(signal, getattr(request, SIGNALS[signal].resources)):
        _replace(attributes, replaced, values)


def _attribute_lists(signal: Signal, resources: Iterable[Any]) -> Iterator[Any]:
    for resource in resources:
        yield resource.resource.attributes
        for scope in resource.scope_spans if signal == "traces" else resource.scope_logs:
            for item in scope.spans if signal == "traces" else scope.log_records:
                yield item.attributes


def _replace(attributes: MutableSequence[KeyValue], names: set[str], values: list[KeyValue]) -> None:
    for index in reversed(range(len(attributes))):
        if attributes[index].key in names:
            del attributes[index]
    attributes.extend(values)
