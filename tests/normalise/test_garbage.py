"""Attributes that hold anything but what their names promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spanledger_collector.model import Event, Fact
from spanledger_collector.normalise.classify import DIALECTS
from spanledger_collector.normalise.dialect import Dialect

READ_BY_CODE = [
    "langfuse.observation.completion_start_time",
    "langfuse.observation.model.name",
    "langfuse.observation.input",
    "gen_ai.completion",
    "gen_ai.prompt",
    "mlflow.spanOutputs",
    "mlflow.spanInputs",
    "output.value",
    "input.value",
    "metadata",
    "llm.invocation_parameters",
    "traceloop.entity.input",
    "response_data",
    "llm.x.usage",
    "llm.x.usageMetadata",
    "llm.x.id",
    "ai.response.providerMetadata",
]
KINDS = {
    "langfuse.observation.type": "generation",
    "langsmith.span.kind": "llm",
    "mlflow.spanType": '"LLM"',
    "openinference.span.kind": "LLM",
    "gen_ai.operation.name": "chat",
}
GARBAGE: dict[str, Any] = {
    "nested JSON": '{"usage":' * 50_000,
    "nested repr": "{'usage': " * 3000,
    "lists for maps": '{"usage": [1], "generations": [[[]]], "id": {}, "raw": {}, "model": []}',
    "maps for lists": '{"generations": [{"message": [{"kwargs": 1}]}], "usage": {"prompt_tokens": {}}}',
    "a map": {"usage": {"input_tokens": "x", "prompt_tokens_details": 7}, "raw": 7},
    "a list": [1, {"a": None}],
    "bytes": b"\xff\x00",
    "infinity": float("inf"),
    "not a number": float("nan"),
    "a negative count": -5,
    "a large integer": 10**30,
    "truth": True,
    "prose": '"unfinished',
    "an early time": "0001-01-01T00:00:00",
    "a surrogate": "\ud800",
}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_every_attribute_raises_nothing_and_counts_nothing(
    fact_of: Callable[..., Fact | None], dialect: Dialect, garbage: Any
) -> None:
    """Whatever a dialect reads may hold anything: there is a fact without counts or cost, or none."""
    names = {name for group in dialect.fields.values() for name in group} | set(READ_BY_CODE)
    names |= {name for name in dialect.understood if not name.endswith(".")}
    attributes = {**dict.fromkeys(names, garbage), **dict.fromkeys(dialect.markers, garbage), **KINDS}
    scope = dialect.scopes[0] if dialect.scopes else ""
    for kind in ("llm", "tool", "chain"):
        attributes |= {"langsmith.span.kind": kind, "openinference.span.kind": kind.upper()}
        found = fact_of(attributes, scope, events=(Event("exception", 0, {"exception.type": garbage}),))
        assert found is None or not any((found.input_tokens, found.output_tokens, found.reported_cost_usd))
