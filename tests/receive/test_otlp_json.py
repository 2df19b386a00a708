"""OTLP/JSON to and from protobuf."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.otlp_json import parse_json, to_json
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import Signal

ID_BYTES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
ITEMS = {
    "traces": ("scope_spans", "spans"),
    "logs": ("scope_logs", "log_records"),
    "metrics": ("scope_metrics", "metrics"),
}
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=5),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=5),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),  # NaN does not equal itself
    FieldDescriptor.TYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_SINT32: st.integers(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_SFIXED64: st.integers(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
    FieldDescriptor.TYPE_FIXED64: st.integers(0, (1 << 64) - 1),
}


def one_span(**fields: Any) -> bytes:
    """A request with one span of these JSON fields."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def the_span(body: bytes) -> Any:
    """The only span of a JSON request."""
    return parse_json("traces", body).resource_spans[0].scope_spans[0].spans[0]


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Any value that the field can hold; an id is absent or of its right length."""
    if field.name in ID_BYTES:
        return st.sampled_from([0, ID_BYTES[field.name]]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    if field.enum_type is not None:
        return st.sampled_from([*field.enum_type.values_by_number, 99])
    return SCALARS[field.type]


def fill(draw: st.DrawFn, message: Message, descriptor: Descriptor, depth: int) -> None:
    """Set some fields of the message, and of the messages in it."""
    for field in draw(
        st.lists(st.sampled_from(list(descriptor.fields)), min_size=1, max_size=6, unique_by=lambda f: f.name)
    ):
        if field.message_type is None:
            values = draw(st.lists(scalars(field), min_size=1, max_size=2))
            if field.is_repeated:
                getattr(message, field.name).extend(values)
            else:
                setattr(message, field.name, values[0])
        elif depth:
            part = getattr(message, field.name)
            if field.is_repeated:
                part = part.add()
            part.SetInParent()
            fill(draw, part, field.message_type, depth - 1)


@st.composite
def requests(draw: st.DrawFn, signal: Signal) -> Message:
    """A random request with at least one span (log record, metric), down to values within attribute values."""
    request = SIGNALS[signal].request()
    resources = getattr(request, SIGNALS[signal].resources).add()
    fill(draw, resources, resources.DESCRIPTOR, 3)
    scopes, items = ITEMS[signal]
    item = getattr(getattr(resources, scopes).add(), items).add()
    fill(draw, item, item.DESCRIPTOR, 6)
    return request


def official_json(message: Message) -> Any:
    """What protobuf's own mapping writes, with ids in hexadecimal as OTLP wants them."""
    camel = {"traceId", "spanId", "parentSpanId"}

    def with_hex_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [with_hex_ids(item) for item in value]
        if isinstance(value, dict):
            return {
                key: base64.b64decode(item).hex() if key in camel else with_hex_ids(item) for key, item in value.items()
            }
        return value

    return with_hex_ids(json_format.MessageToDict(message, use_integers_for_enums=True))


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_protobuf_to_json_and_back_is_identity(signal: Signal, data: st.DataObject) -> None:
    """Any request comes back unchanged, and its JSON is protobuf's own but for the ids."""
    request = data.draw(requests(signal))
    written = to_json(request)
    assert parse_json(signal, written) == request
    assert json.loads(written) == official_json(request)


@pytest.mark.parametrize("emitter", ["genai_openai", "anthropic_sdk_native", "openinference", "vercel_ai_v6"])
def test_real_protobuf_survives_json(emitter: str, corpus: Path) -> None:
    """What real emitters sent as protobuf is the same after a trip through JSON."""
    files = sorted((corpus / emitter).glob("traces-*.bin"))
    assert files
    for file in files:
        request = ExportTraceServiceRequest.FromString(file.read_bytes())
        assert parse_json("traces", to_json(request)) == request


@pytest.mark.parametrize("path", ["gemini_cli/traces-*", "vercel_ai_v6_json/traces-*", "gemini_cli/logs/*"])
def test_real_json_keeps_every_value(path: str, corpus: Path) -> None:
    """What real emitters sent as JSON is all there when it is written again."""
    files = sorted(corpus.glob(path))
    assert files
    for file in files:
        signal: Signal = "logs" if "logs" in path else "traces"
        sent = json.loads(file.read_bytes())
        again = json.loads(to_json(parse_json(signal, file.read_bytes())))
        assert leaves(again) == leaves(sent)


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """Every value with its path, as text; zeroes and empty values are protobuf's defaults and left out."""
    if isinstance(value, dict):
        return {p: v for key, item in value.items() for p, v in leaves(item, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {p: v for i, item in enumerate(value) for p, v in leaves(item, f"{path}[{i}]").items()}
    return {path: str(value)} if value and value != "0" else {}


def test_every_spelling_of_the_standard_is_read() -> None:
    """Numbers or strings, enums as numbers or names, either case of field names, null, unknown fields."""
    span = the_span(
        one_span(
            traceId="0123456789ABCDEF0123456789abcdef",
            span_id="0123456789abcdef",
            parentSpanId="",
            startTimeUnixNano="1700000000000000001",
            end_time_unix_nano=1700000000000000002,
            kind="SPAN_KIND_CLIENT",
            status={"code": 2},
            traceState=None,
            fromTheFuture={"spans": [1]},
            attributes=[
                {"key": "i", "value": {"intValue": "-7"}},
                {"key": "f", "value": {"intValue": 7.0}},
                {"key": "d", "value": {"doubleValue": 2}},
                {"key": "n", "value": {"doubleValue": "NaN"}},
                {"key": "b", "value": {"bytesValue": "AQL_"}},
                {"key": "z", "value": {"boolValue": False}},
                {"key": "a", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {}]}}},
                {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}},
            ],
        )
    )
    assert span.trace_id == bytes.fromhex("0123456789abcdef0123456789abcdef")
    assert span.span_id == bytes.fromhex("0123456789abcdef")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1700000000000000001, 1700000000000000002)
    assert (span.kind, span.status.code, span.parent_span_id) == (3, 2, b"")
    values = {attribute.key: attribute.value for attribute in span.attributes}
    assert (values["i"].int_value, values["f"].int_value, values["d"].double_value) == (-7, 7, 2.0)
    assert math.isnan(values["n"].double_value)
    assert values["b"].bytes_value == b"\x01\x02\xff"
    assert values["z"].WhichOneof("value") == "bool_value"
    assert [value.string_value for value in values["a"].array_value.values] == ["x", ""]
    assert values["m"].kvlist_value.values[0].value.int_value == 1


def test_half_an_emoji_does_not_cost_the_request() -> None:
    """A text that JavaScript cut inside a surrogate pair is read, with the replacement character there."""
    assert the_span(one_span(name="cut \ud83d")).name == "cut \ufffd"
    assert the_span(one_span(name="whole \U0001f600")).name == "whole \U0001f600"


def test_an_unknown_enum_name_is_ignored() -> None:
    """A name from a later version of OTLP leaves the default, as an unknown field would."""
    assert the_span(one_span(kind="SPAN_KIND_FROM_THE_FUTURE", name="chat")).kind == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"traceId": "01" * 15}, ".traceId must be 32 hexadecimal digits; it has 30"),
        (
            {"traceId": "AAECAwQFBgcICQoLDA0ODw=="},
            ".traceId must be 32 hexadecimal digits; it has other char",
        ),
        ({"spanId": "01 " * 5 + "1"}, ".spanId must be 16 hexadecimal digits"),
        ({"spanId": 7}, ".spanId must be a string of hexadecimal digits, not a number"),
        ({"startTimeUnixNano": "secret"}, ".startTimeUnixNano must be an integer, not a string"),
        ({"startTimeUnixNano": -1}, ".startTimeUnixNano is an integer out of range"),
        ({"startTimeUnixNano": "9" * 21}, ".startTimeUnixNano must be an integer"),
        ({"kind": 1.5}, ".kind must be an integer, not a number"),
        ({"name": {"secret": 1}}, ".name must be a string, not an object"),
        ({"status": []}, ".status must be an object, not an array"),
        ({"events": {}}, ".events must be an array, not an object"),
        ({"events": [{}, None]}, ".events[1] must be an object, not null"),
        (
            {"attributes": [{"value": {"bytesValue": "secret!"}}]},
            ".attributes[0].value.bytesValue is not base64",
        ),
        (
            {"attributes": [{"value": {"boolValue": "secret"}}]},
            ".attributes[0].value.boolValue must be true or false, not a string",
        ),
        (
            {"attributes": [{"value": {"doubleValue": "secret"}}]},
            ".attributes[0].value.doubleValue is not a number",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_path(fields: dict[str, Any], reason: str) -> None:
    """The error says where the value is and what was expected there, and does not quote it."""
    with pytest.raises(BadInputError) as caught:
        parse_json("traces", one_span(**fields))
    assert str(caught.value).startswith(f"resourceSpans[0].scopeSpans[0].spans[0]{reason}")
    assert "secret" not in str(caught.value)


def test_values_nested_without_end_are_refused() -> None:
    """Attribute values within attribute values are read as deep as protobuf reads them, and no deeper."""

    def nested(levels: int) -> bytes:
        value: dict[str, Any] = {"intValue": 1}
        for _ in range(levels):
            value = {"arrayValue": {"values": [value]}}
        return one_span(attributes=[{"key": "k", "value": value}])

    assert the_span(nested(40)).attributes[0].key == "k"
    with pytest.raises(BadInputError, match="nested deeper than 100 levels"):
        parse_json("traces", nested(60))


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    """A number that Python itself refuses to read is broken input, not a failure of the collector."""
    with pytest.raises(BadInputError, match="thousands of digits"):
        parse_json("traces", b'{"resourceSpans": ' + b"9" * 5000 + b"}")


def test_another_signal_is_not_taken_for_an_empty_request() -> None:
    """Logs sent to the traces path are refused: as unknown fields they would vanish."""
    with pytest.raises(BadInputError, match="no ExportTraceServiceRequest: there is no resourceSpans"):
        parse_json("traces", b'{"resourceLogs": []}')
