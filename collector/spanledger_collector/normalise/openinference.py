"""OpenInference (Arize): ``openinference.span.kind`` and ``llm.*`` attributes, no ids, no CLIENT kind.

Counts are inclusive totals. The response id, the request's model and whether it streamed are only inside JSON texts:
``output.value`` holds the provider's answer (or LangChain's ``LLMResult`` around it),
``llm.invocation_parameters`` the request.
"""

from __future__ import annotations

from typing import Any

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.dialect import Dialect, Reading
from spanledger_collector.normalise.values import json_object, text, truth

_SPAN_KIND = "openinference.span.kind"
_KINDS: dict[str, Kind] = {"LLM": "llm", "EMBEDDING": "embedding", "TOOL": "tool"}
_OPERATIONS: dict[Kind, str] = {"llm": "chat", "embedding": "embeddings", "tool": "execute_tool"}
_METADATA = {"task": "task", "agent": "agent", "team": "team", "user": "user_id", "session": "session_id"}
_FIRST_TOKEN_EVENT = "First Token Stream Event"  # noqa: S105 - the name of an event


def _kind(span: Span) -> Kind:
    return _KINDS.get(str(span.attributes.get(_SPAN_KIND)).upper(), "agent")


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    fields["operation"] = _OPERATIONS.get(reading.kind, text(span.attributes.get(_SPAN_KIND)).lower())
    metadata = json_object(span.attributes.get("metadata"))
    for name, key in _METADATA.items():
        fields.setdefault(name, metadata.get(key))
    if reading.kind in ("llm", "embedding"):
        _read_call(span, fields)
    elif reading.kind == "tool":
        fields.setdefault("tool_name", span.name)
        fields.setdefault("tool_arguments", span.attributes.get("input.value"))


def _read_call(span: Span, fields: dict[str, Any]) -> None:
    attributes = span.attributes
    parameters = json_object(
        attributes.get("llm.invocation_parameters") or attributes.get("embedding.invocation_parameters")
    )
    fields.setdefault("request_model", text(parameters.get("model") or parameters.get("model_name")))
    fields.setdefault("stream", truth(parameters.get("stream")))
    output = json_object(attributes.get("output.value"))
    message = _langchain_message(output)
    if message is not None:
        # LangChain gives the provider's answer id to the message ("run--..." is LangChain's own).
        details = json_object(message.get("response_metadata"))
        ids = (text(details.get("id")), text(message.get("id")))
        fields.setdefault(
            "response_id", next((i for i in ids if i and not i.startswith(("run-", "lc_run"))), "")
        )
    else:
        fields.setdefault("response_id", text(output.get("id")))
    first_token_ns = next((e.time_ns for e in span.events if e.name == _FIRST_TOKEN_EVENT), 0)
    if first_token_ns > span.start_ns:
        fields.setdefault("ttft_s", (first_token_ns - span.start_ns) / 1e9)
        fields["stream"] = True


def _langchain_message(output: dict[str, Any]) -> dict[str, Any] | None:
    """The message inside LangChain's serialised ``LLMResult``: ``generations[0][0].message.kwargs``."""
    generations = output.get("generations")
    if not isinstance(generations, list):
        return None
    while isinstance(generations, list) and generations:
        generations = generations[0]
    message = json_object(json_object(generations).get("message"))
    return json_object(message.get("kwargs")) or message


DIALECT = Dialect(
    name="openinference",
    scopes=("openinference.instrumentation.",),
    markers=frozenset((_SPAN_KIND,)),
    kind=_kind,
    adjust=_adjust,
    fields={
        "provider": ("llm.provider", "llm.system"),
        "request_model": ("llm.request.model_name",),
        "response_model": ("llm.response.model_name", "llm.model_name", "embedding.model_name"),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cache_read_tokens": ("llm.token_count.prompt_details.cache_read",),
        "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "reported_cost_usd": ("llm.cost.total",),
        "tool_name": ("tool.name",),
        "tool_call_id": ("tool.id", "tool_call.id"),
        "tool_arguments": ("tool.parameters",),
        "agent": ("agent.name",),
    },
)
