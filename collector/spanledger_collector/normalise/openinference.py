"""OpenInference (Arize): ``openinference.span.kind`` and ``llm.*`` attributes, no ids, no CLIENT kind.

Counts are inclusive totals. The response id, the request's model and whether it streamed are only inside JSON texts:
``output.value`` holds the provider's answer (or LangChain's ``LLMResult`` around it, or its ``repr``: smolagents),
``llm.invocation_parameters`` the request. The spans of an agent repeat the sum of its calls (smolagents) or have none
(CrewAI, OpenAI Agents). ``tool.parameters`` is a tool's schema, its arguments are the input.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.answers import read_answer, read_langchain, read_repr
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.values import json_object, mapping, text, truth

_SPAN_KIND = "openinference.span.kind"
_KINDS: dict[str, Kind] = {"LLM": "llm", "EMBEDDING": "embedding", "TOOL": "tool"}
_METADATA = {"task": "task", "agent": "agent", "team": "team", "user": "user_id", "session": "session_id"}
_FIRST_TOKEN_EVENT = "First Token Stream Event"  # noqa: S105 - the name of an event


def _kind(span: Span) -> Kind:
    kind = _KINDS.get(str(span.attributes.get(_SPAN_KIND)).upper(), "agent")
    # The OpenAI Agents SDK hands a conversation over by a tool that is none.
    handoff = kind == "tool" and span.name.startswith("handoff to ") and "tool.name" not in span.attributes
    return "agent" if handoff else kind


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    metadata = json_object(span.attributes.get("metadata"))
    reading.fill({name: metadata.get(key) for name, key in _METADATA.items()})
    if reading.kind in ("llm", "embedding"):
        _read_call(reading)
    elif reading.kind == "tool":
        fields.setdefault("tool_name", span.name)
        given = mapping(span.attributes.get("input.value"))
        # smolagents wraps the arguments in those of its own call.
        fields["tool_arguments"] = given.get("kwargs") or given or span.attributes.get("input.value")
    else:
        fields["operation"] = text(span.attributes.get(_SPAN_KIND)).lower()


def _read_call(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    attributes = span.attributes
    parameters = json_object(
        attributes.get("llm.invocation_parameters") or attributes.get("embedding.invocation_parameters")
    )
    # Parameters with an id are the Responses API's echo of them, with the model that answered.
    requested = "" if "id" in parameters else text(parameters.get("model") or parameters.get("model_name"))
    reading.fill({"request_model": requested, "stream": truth(parameters.get("stream"))})
    output = json_object(attributes.get("output.value"))
    answer = read_langchain(output)
    if answer is None:
        answer = read_repr(output["raw"]) if isinstance(output.get("raw"), str) else read_answer(output)
    answering = answer.get("response_model")
    if answering and answering != fields.get("response_model"):
        fields["request_model"] = requested or fields.get("response_model")
        fields["response_model"] = answering
    reading.fill(answer)
    first_token_ns = next((e.time_ns for e in span.events if e.name == _FIRST_TOKEN_EVENT), 0)
    if first_token_ns > span.start_ns:
        reading.fill({"ttft_s": (first_token_ns - span.start_ns) / 1e9})


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
        "agent": (*IDENTITY["agent"], "agent.name"),
    },
)
