"""Redaction: whatever a rule means is gone from the whole request, in every place where a span or a log has text."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from pydantic import ValidationError

from spanledger_collector.config import RedactionRule
from spanledger_collector.receive.redact import Redaction

SECRET = "sk-0123456789abcdefghij"
SECRET_RULE: dict[str, Any] = {"value": "sk-[a-z0-9]{20}"}


def text(value: str) -> AnyValue:
    """A text value."""
    return AnyValue(string_value=value)


def secret_attributes() -> list[KeyValue]:
    """The secret as text, in bytes, in an array, in a map in an array, beside a number and a harmless text."""
    nested = KeyValueList(values=[KeyValue(key="deep", value=text(f"a {SECRET}"))])
    array = ArrayValue(values=[text("kept"), text(SECRET), AnyValue(kvlist_value=nested)])
    return [
        KeyValue(key="plain", value=text(f"key {SECRET}, key {SECRET}")),
        KeyValue(key="bytes", value=AnyValue(bytes_value=SECRET.encode())),
        KeyValue(key="array", value=AnyValue(array_value=array)),
        KeyValue(key="number", value=AnyValue(int_value=7)),
        KeyValue(key="harmless", value=text("kept")),
    ]


def spans_with_secrets() -> ExportTraceServiceRequest:
    """A request with the secret in every place of a span that holds free text."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(secret_attributes())
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.attributes.extend(secret_attributes())
    span = scope_spans.spans.add(trace_id=b"1" * 16, span_id=b"2" * 8, name=f"call {SECRET}")
    span.attributes.extend(secret_attributes())
    span.status.message = f"denied: {SECRET}"
    span.events.add(name=SECRET).attributes.extend(secret_attributes())
    span.links.add().attributes.extend(secret_attributes())
    return request


def logs_with_secrets() -> ExportLogsServiceRequest:
    """The same for a log record, its body among it."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.attributes.extend(secret_attributes())
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.attributes.extend(secret_attributes())
    record = scope_logs.log_records.add(event_name=SECRET)
    record.attributes.extend(secret_attributes())
    record.body.kvlist_value.values.extend(secret_attributes())
    return request


@pytest.mark.parametrize("action", ["drop", "hash", "mask"])
@pytest.mark.parametrize("make", [spans_with_secrets, logs_with_secrets])
def test_a_value_pattern_reaches_every_place(make: Any, action: str) -> None:
    """After any action the secret is nowhere in the bytes that will be written, and harmless values are untouched."""
    request = make()
    assert SECRET.encode() in request.SerializeToString()
    signal = "traces" if make is spans_with_secrets else "logs"
    changed = Redaction([RedactionRule(action=action, **SECRET_RULE)]).apply(signal, request)
    written = request.SerializeToString()
    assert changed > 0
    assert SECRET.encode() not in written
    assert written.count(b"harmless") == make().SerializeToString().count(b"harmless")
    assert written.count(b"number") == make().SerializeToString().count(b"number")


def span_after(*rules: dict[str, Any], key: str = "", **attributes: AnyValue) -> dict[str, AnyValue]:
    """The attributes of a span after some rules."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.extend(KeyValue(key=name.replace("__", "."), value=value) for name, value in attributes.items())
    Redaction([RedactionRule(**rule) for rule in rules], key).apply("traces", request)
    return {pair.key: pair.value for pair in span.attributes}


def test_a_name_pattern_means_the_whole_attribute() -> None:
    """By its name an attribute of any type is dropped, masked or hashed whole; others are left."""
    value = AnyValue(array_value=ArrayValue(values=[text("a"), text("b")]))
    rules = [
        {"name": "gen_ai.*.messages", "action": "drop"},
        {"name": "user.?d", "action": "mask"},
        {"name": "tags", "action": "hash"},
    ]
    left = span_after(*rules, gen_ai__input__messages=value, user__id=AnyValue(int_value=4), tags=value, other=value)
    assert sorted(left) == ["other", "tags", "user.id"]
    assert left["user.id"] == text("***")
    assert left["tags"].string_value.startswith("sha256:")
    assert left["other"] == value


def test_keys_of_maps_have_dotted_names() -> None:
    """A rule reaches one key of a map by the names of both."""
    value = AnyValue(
        kvlist_value=KeyValueList(values=[KeyValue(key="a", value=text("1")), KeyValue(key="b", value=text("2"))])
    )
    left = span_after({"name": "input.a", "action": "drop"}, input=value)
    assert [pair.key for pair in left["input"].kvlist_value.values] == ["b"]


def test_name_and_value_must_both_fit_and_a_mask_leaves_the_rest() -> None:
    """With both patterns, only what is found in attributes of that name is masked."""
    rule = {"name": "http.*", "value": "token=[^&]*", "action": "mask"}
    left = span_after(rule, http__url=text("/a?token=abc&b=1"), other=text("token=abc"))
    assert left["http.url"] == text("/a?***&b=1")
    assert left["other"] == text("token=abc")


def test_hashes_tell_equal_from_different_and_depend_on_the_key() -> None:
    """Equal values stay comparable under a hash; with another key the hash is another."""
    rule = {"name": "user.*", "action": "hash"}
    left = span_after(rule, user__id=text("ann"), user__name=text("ann"), user__mail=text("bob"))
    assert left["user.id"] == left["user.name"] != left["user.mail"]
    assert span_after(rule, key="k", user__id=text("ann"))["user.id"] != left["user.id"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"action": "drop"}, "needs a name, a value, or both"),
        ({"value": "(", "action": "mask"}, "no regular expression"),
        ({"name": "a", "action": "encrypt"}, "'drop', 'hash' or 'mask'"),
        ({"nmae": "a", "action": "drop"}, "nmae"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, str], said: str) -> None:
    """A mistyped rule must not silently redact nothing, nor everything."""
    with pytest.raises(ValidationError, match=said):
        RedactionRule(**rule)
