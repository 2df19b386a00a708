"""The compiled reader states the facts that ``normalise`` states, to the last field, or leaves the span to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector.compiled import PURE, twin
from spanledger_collector.decode import reference
from spanledger_collector.model import BILLABLE, Fact
from spanledger_collector.normalise import classify, fact_reader, name_tells, normalise, scope_tells, semconv
from spanledger_collector.normalise.dialect import IDENTITY
from spanledger_collector.receive.files import read_requests

COMPILED: Any = twin("decode.compiled_decoder")
CAPTURED = sorted((Path(__file__).parents[1] / "corpus").glob("*/traces-*"))
DECODER: Any = COMPILED.Decoder(scope_tells, name_tells, fact_reader()) if COMPILED and fact_reader() else None

needs_compiled = pytest.mark.skipif(DECODER is None, reason="the compiled stages are not built here")

_DIALECTS = {dialect.name: dialect for dialect in classify.DIALECTS}
_NAMES = sorted(
    {name for dialect in classify.DIALECTS for names in dialect.fields.values() for name in names}
    | {name for names in IDENTITY.values() for name in names}
    | {name for dialect in classify.DIALECTS for name in dialect.conventional_without or ()}
    | {"error.type", "acme.tokens", "server.port", "gen_ai.tool.status", "gen_ai.server.time_to_first_token"}
)
_CONVENTIONAL = sorted(
    {name for names in semconv.FIELDS.values() for name in names}
    | {name for names in IDENTITY.values() for name in names}
    | {"error.type", "server.port", "spanledger.input.bytes", "spanledger.input.tools.hash"}
)
_SCOPES = st.sampled_from(["", "http", *sorted({scope for d in classify.DIALECTS for scope in d.scopes})]) | (
    st.sampled_from(["", "spanledger", "opentelemetry.util.genai", "pydantic-ai", "gcp.vertex.agent", "traceloop"])
)
_OPERATIONS = (
    *("chat", "chat", "chat", "embeddings", "execute_tool", "invoke_agent"),
    *("chat.completions", " chat ", "fetch_response", ""),
)
_TEXTS = (*_OPERATIONS, "openai", "gpt-4.1", "é", " ", "12", "1.5", "true", '{"a":1}', "x" * 70, "(merged tools)")
_VALUES = (
    st.sampled_from(_TEXTS)
    | st.integers(-2, 40)
    | st.sampled_from((0, 2**40, 2**63 - 1))
    | st.floats()
    | st.booleans()
    | st.none()
    | st.sampled_from((b"raw", ["stop"], {"key": 1}))
)
_USAGE = st.fixed_dictionaries(
    {"gen_ai.operation.name": st.sampled_from(_OPERATIONS)},
    optional={
        "gen_ai.usage.input_tokens": st.integers(0, 99),
        "gen_ai.usage.output_tokens": st.integers(0, 99),
        "gen_ai.usage.cache_read.input_tokens": st.integers(0, 9),
        "gen_ai.usage.reasoning.output_tokens": st.integers(0, 9),
        "gen_ai.usage.total_tokens": st.integers(0, 20),
        "gen_ai.response.time_to_first_chunk": st.floats(0, 9),
        "gen_ai.request.stream": st.booleans(),
        "gen_ai.tool.name": st.sampled_from(("read", "write")),
        "gen_ai.tool.call.arguments": st.sampled_from(('{"b":1,"a":2}', "plain")),
    },
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(_CONVENTIONAL), _VALUES, max_size=6) | st.dictionaries(
    st.sampled_from(_NAMES), _VALUES, max_size=6
)
_SPANS = st.fixed_dictionaries(
    {
        "usage": _USAGE | st.just({}),
        "attributes": _ATTRIBUTES,
        "kind": st.integers(0, 5),
        "code": st.integers(0, 2),
        "failed": st.booleans(),
        "parent": st.sampled_from((b"", b"parentid")),
    }
)


def any_value(value: Any) -> AnyValue:
    """A Python value as OTLP has it."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value={"values": map(any_value, value)})
        case dict():
            return AnyValue(kvlist_value={"values": pairs(value)})
    return AnyValue()


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=name, value=any_value(value)) for name, value in attributes.items()]


def request_of(scope: str, resource: Mapping[str, Any], spans: list[dict[str, Any]]) -> ExportTraceServiceRequest:
    """A request of one scope."""
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    resource_spans.resource.attributes.extend(pairs(resource))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    for number, said in enumerate(spans):
        span = scope_spans.spans.add(
            trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), parent_span_id=said["parent"], kind=said["kind"]
        )
        span.attributes.extend(pairs({**said["usage"], **said["attributes"]}))
        span.status.code = said["code"]
        if said["failed"]:
            event = span.events.add(name="exception")
            event.attributes.extend(pairs({"exception.type": "TimeoutError"}))
    return made


def assert_same(requests: list[ExportTraceServiceRequest]) -> list[Fact]:
    """Hold the facts of both together, and give those that were read compiled."""
    batch = DECODER.decode([request.SerializeToString() for request in requests])
    spans, _ = reference.decode(requests)
    expected = [repr(fact) for span in spans if (fact := normalise(span))]
    found = [*batch.facts, *(fact for span in batch.telling if (fact := normalise(span)))]
    assert sorted(map(repr, found)) == sorted(expected)
    assert all(type(fact) is Fact and hash(fact) for fact in batch.facts)
    # What is told of no fact is still there for whoever looks for an ancestor.
    stated = {(fact.trace_id, fact.span_id) for fact in found}
    telling = {(span.trace_id, span.span_id) for span in batch.telling}
    assert {(span.trace_id, span.span_id) for span in spans} == stated | telling | set(batch.plain)
    facts: list[Fact] = batch.facts
    return facts


@needs_compiled
@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_captured_spans_state_the_same_facts(path: Path) -> None:
    """Every span of every captured emitter, whichever way it takes."""
    assert_same([received.body for received in read_requests(path)])


@needs_compiled
@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(_SCOPES, _ATTRIBUTES, st.lists(_SPANS, min_size=1, max_size=4))
def test_any_span_states_the_same_fact(scope: str, resource: dict[str, Any], spans: list[dict[str, Any]]) -> None:
    """Attributes of all dialects with values nobody expects, under the scopes of all dialects."""
    assert_same([request_of(scope, {"service.name": "shop", **resource}, spans)])


@needs_compiled
def test_calls_of_those_who_follow_the_conventions_are_read_compiled() -> None:
    """The way through Python is for what is rare: it shows where all calls take it."""
    requests = [received.body for path in CAPTURED for received in read_requests(path)]
    compiled = assert_same(requests)
    spans, _ = reference.decode(requests)
    usual = [
        fact
        for span in spans
        if (fact := normalise(span))
        and fact.dialect in ("opentelemetry", "anthropic_sdk", "semconv", "spanledger")
        and fact.status == "ok"
        and (fact.kind not in BILLABLE or fact.output_tokens)
    ]
    places = {(fact.trace_id, fact.span_id) for fact in compiled}
    assert len(usual) > 40
    missed = [fact for fact in usual if (fact.trace_id, fact.span_id) not in places]
    assert not missed, missed


def test_the_compiled_reader_is_in_use_where_it_is_built() -> None:
    """A twin that silently is not there would only show in the bill."""
    built = list(Path(classify.__file__).parent.glob("compiled_facts.*.so"))
    assert (fact_reader() is not None) == bool(built and not PURE)


@needs_compiled
def test_a_fact_is_no_other_object_than_one_made_in_python() -> None:
    """It is hashed, compared, replaced and unpacked like any fact, and nobody else sees it change."""
    said = {"usage": {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 3}, "attributes": {}}
    spans = [{**said, "parent": b"", "kind": 3, "code": 0, "failed": False}] * 3
    facts = assert_same([request_of("spanledger", {"user.id": "ada"}, spans)])
    assert [fact.user for fact in facts] == ["ada"] * 3
    assert facts[0]._replace(user="bob").user == "bob"
    assert facts[0].user == "ada" and math.isclose(facts[0].trust, _DIALECTS["spanledger"].trust)
    assert len({*facts, *(Fact(*fact) for fact in facts)}) == 3
