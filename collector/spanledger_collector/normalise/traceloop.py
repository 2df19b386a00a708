"""Traceloop's OpenLLMetry, 0.62 and older.

0.62 follows the semantic conventions. Up to 0.4x there is no operation: ``llm.request.type`` tells calls,
``traceloop.span.kind`` wrappers and tools, and counts have names of their own. Input is a total in both (its Bedrock
instrumentor apart). Known faults, mended by any better copy: the output of an Anthropic stream is too high by what
the first event announces, and LangChain's cache writes are zero where the answer was not streamed.
No capture of the forms before 0.62 and of LangChain's is in the corpus.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.values import json_object, text

_REQUEST_TYPE = "llm.request.type"
_SPAN_KIND = "traceloop.span.kind"
_NAME = "traceloop.entity.name"
_INPUT = "traceloop.entity.input"
_REQUEST_KINDS: dict[str, Kind] = {"chat": "llm", "completion": "llm", "embedding": "embedding"}
_OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
_INSTRUMENTED = (
    *("openai", "anthropic", "cohere", "groq", "mistralai", "ollama", "together", "replicate", "watsonx", "writer"),
    *("google_generativeai", "vertexai", "sagemaker", "alephalpha", "transformers"),
    *("langchain", "llamaindex", "crewai", "haystack", "agno", "openai_agents", "mcp"),
)


def _kind(span: Span) -> Kind:
    attributes = span.attributes
    if attributes.get(semconv.OPERATION):
        return semconv.kind(span)
    if _SPAN_KIND in attributes:
        return "tool" if attributes[_SPAN_KIND] == "tool" else "agent"
    if _REQUEST_TYPE in attributes:
        return _REQUEST_KINDS.get(str(attributes[_REQUEST_TYPE]), "agent")
    return semconv.kind(span)


def _adjust(reading: Reading) -> None:
    attributes, fields = reading.span.attributes, reading.fields
    if _REQUEST_TYPE in attributes:
        fields.setdefault("operation", _OPERATIONS.get(text(attributes[_REQUEST_TYPE]), ""))
    if reading.kind == "tool":
        fields.setdefault("tool_name", attributes.get(_NAME))
        given = json_object(attributes.get(_INPUT))
        fields.setdefault("tool_arguments", given.get("inputs") or given.get("input_str") or given or None)
    elif attributes.get(_SPAN_KIND) == "agent":
        fields.setdefault("agent", attributes.get(_NAME))


DIALECT = Dialect(
    name="traceloop",
    scopes=("traceloop", *(f"opentelemetry.instrumentation.{library}" for library in _INSTRUMENTED)),
    markers=frozenset((_SPAN_KIND, _REQUEST_TYPE, "gen_ai.is_streaming")),
    fields={
        **semconv.FIELDS,
        "stream": (*semconv.FIELDS["stream"], "llm.is_streaming"),
        "session": (
            *IDENTITY["session"],
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.thread_id",
        ),
        "user": (*IDENTITY["user"], "traceloop.association.properties.user_id"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=55,
    conventional_without=frozenset((_REQUEST_TYPE, _SPAN_KIND, _NAME, _INPUT)),
)
