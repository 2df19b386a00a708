"""LangSmith's OpenTelemetry export (scope ``langsmith``): runs, of which ``llm`` and ``embedding`` are calls.

Chains such as ``RunnableSequence`` repeat the usage of the call inside. Details of the usage are JSON in the metadata
or the ``repr`` of a dict; the id and the model of the answer are inside ``gen_ai.completion``. A failed run has the
status OK and an ``exception`` event.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.answers import read_answer, read_langchain
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import json_object, mapping, text

_SPAN_KIND = "langsmith.span.kind"
_USAGE = "langsmith.metadata.usage_metadata"
_INPUT_DETAILS = "gen_ai.usage.input_token_details"
_OUTPUT_DETAILS = "gen_ai.usage.output_token_details"
_KINDS: dict[str, Kind] = {"llm": "llm", "embedding": "embedding", "tool": "tool"}


def _kind(span: Span) -> Kind:
    return _KINDS.get(str(span.attributes.get(_SPAN_KIND)), "agent")


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    attributes = span.attributes
    failure = next((event for event in span.events if event.name == "exception"), None)
    if failure is not None:
        fields["error_type"] = text(failure.attributes.get("exception.type")) or "_OTHER"
    if reading.kind == "tool":
        fields.setdefault("tool_name", span.name)
        fields["tool_arguments"] = mapping(attributes.get("gen_ai.prompt")) or attributes.get("gen_ai.prompt")
    elif reading.kind == "agent":
        graph = attributes.get("langsmith.metadata.ls_integration") == "langgraph"
        if graph and "langsmith.metadata.langgraph_node" not in attributes:
            fields.setdefault("agent", span.name)
    else:
        completion = json_object(attributes.get("gen_ai.completion"))
        details = {
            "input_token_details": mapping(attributes.get(_INPUT_DETAILS)),
            "output_token_details": mapping(attributes.get(_OUTPUT_DETAILS)),
        }
        stated = read_langchain(completion)
        reading.fill(read_usage(attributes.get(_USAGE)))
        reading.fill(read_usage(details))
        reading.fill(read_answer(completion) if stated is None else stated)


DIALECT = Dialect(
    name="langsmith",
    scopes=("langsmith",),
    markers=frozenset((_SPAN_KIND,)),
    fields={
        **semconv.FIELDS,
        "service_tier": ("gen_ai.response.service_tier",),
        "stream": ("langsmith.metadata.stream",),
        "session": (*IDENTITY["session"], "langsmith.metadata.session_id", "langsmith.metadata.thread_id"),
        "user": (*IDENTITY["user"], "langsmith.metadata.user_id"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=45,
    understood=(_USAGE, _INPUT_DETAILS, _OUTPUT_DETAILS),
)
