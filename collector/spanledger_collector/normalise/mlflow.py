"""MLflow tracing (scope ``mlflow.tracing.provider``): every value is JSON text, quoted names included.

The provider's answer is kept whole in ``mlflow.spanOutputs``: id, model and the usage with all its parts.
``mlflow.chat.tokenUsage`` (totals, no reasoning) stands in where the outputs do not hold an answer.
Anthropic's ``create(stream=True)`` gives a span without either, its ``stream()`` helper no span at all.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.answers import read_answer, read_langchain
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import json_object, mapping, text, truth, unquoted

_TYPE = "mlflow.spanType"
_USAGE = "mlflow.chat.tokenUsage"
_COST = "mlflow.llm.cost"
_KINDS: dict[str, Kind] = {"LLM": "llm", "CHAT_MODEL": "llm", "EMBEDDING": "embedding", "TOOL": "tool"}
_NAMES = ("provider", "request_model", "session", "user")


def _kind(span: Span) -> Kind:
    return _KINDS.get(unquoted(span.attributes.get(_TYPE)), "agent")


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    attributes = span.attributes
    kind_name = unquoted(attributes.get(_TYPE))
    for name in _NAMES:
        if name in fields:
            fields[name] = unquoted(fields[name])
    inputs = json_object(attributes.get("mlflow.spanInputs"))
    if reading.kind == "tool":
        fields["tool_name"] = span.name
        fields["tool_arguments"] = inputs or None
    elif reading.kind == "agent":
        fields["operation"] = kind_name.lower()
        if kind_name == "AGENT":
            fields.setdefault("agent", span.name)
    else:
        outputs = json_object(attributes.get("mlflow.spanOutputs"))
        fields.setdefault("request_model", text(inputs.get("model")))
        fields.setdefault("stream", truth(inputs.get("stream")))
        answer = read_langchain(outputs)
        fields.update(read_answer(outputs) if answer is None else answer)
        reading.fill(read_usage(attributes.get(_USAGE)))
        fields["reported_cost_usd"] = mapping(attributes.get(_COST)).get("total_cost")


DIALECT = Dialect(
    name="mlflow",
    scopes=("mlflow.tracing",),
    markers=frozenset((_TYPE,)),
    fields={
        "provider": ("mlflow.llm.provider", "mlflow.message.format"),
        "request_model": ("model",),
        "session": (*IDENTITY["session"], "mlflow.trace.session"),
        "user": (*IDENTITY["user"], "mlflow.trace.user"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=45,
    understood=(_USAGE, _COST),
)
