"""OTLP in JSON, to and from protobuf: the standard ProtoJSON mapping with OTLP's exceptions.

Trace and span ids are hexadecimal, not base64. Enums are written as numbers, and read as numbers or names;
64-bit integers are written as strings, and read as both; unknown fields are ignored; field names are
lowerCamelCase, and snake_case is read too. Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

``google.protobuf.json_format`` does not serve for reading: its errors quote the input, which may be a prompt,
and it
refuses a whole request for one lone surrogate, which JavaScript makes when it cuts a text inside an emoji.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.errors import TooDeepError
from spanledger_collector.receive.item_count import check_json_item_count
from spanledger_collector.receive.json_values import MisfitError, kind_of, scalar_reader, scalar_writer
from spanledger_collector.receive.signals import SIGNALS
from spanledger_collector.receive.submit import ExportRequest, Signal

_MAX_DEPTH = 100  # as protobuf itself has it


def parse_json(signal: Signal, body: bytes) -> ExportRequest:
    """Parse an export request; ``{}`` is a valid empty request.

    Raises:
        BadInputError: no JSON, not of this signal, or a field that does not fit; the message names the place
            and never quotes the input.
    """
    document = load_json(body)
    signal_type = SIGNALS[signal]
    if document and signal_of(document) != signal:
        raise BadInputError(
            f"the JSON is no {signal_type.request.DESCRIPTOR.name}: "
            f"there is no {signal_type.resources_json} at its top level"
        )
    check_json_item_count(len(body), document)
    return request_from(signal, document)


def load_json(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``.

    Raises:
        BadInputError: no JSON, or no object at its top level.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} " if error.lineno > 1 else ""
        raise BadInputError(f"no JSON: {error.msg} ({line}column {error.colno})") from None
    except UnicodeDecodeError:
        raise BadInputError("no JSON: not UTF-8 text") from None
    except RecursionError:
        raise TooDeepError("the JSON is nested too deeply") from None
    except ValueError:
        raise BadInputError("the JSON holds a number of thousands of digits") from None
    if not isinstance(document, dict):
        raise BadInputError(f"{kind_of(document)} at the top level of the JSON instead of an object")
    return document


def signal_of(document: dict[str, Any]) -> Signal | None:
    """The signal that a JSON object is an export request of."""
    for signal, signal_type in SIGNALS.items():
        if signal_type.resources_json in document or signal_type.resources in document:
            return signal
    return None


def request_from(signal: Signal, document: dict[str, Any]) -> ExportRequest:
    """The export request that a JSON object says.

    Raises:
        BadInputError: a field that does not fit; the message names its path.
    """
    request = SIGNALS[signal].request()
    try:
        _fill(request, document, 1)
    except MisfitError as misfit:
        raise BadInputError(f"{misfit.path.removeprefix('.')} {misfit.reason}") from None
    return request


def to_json(message: Message) -> bytes:
    """A message as compact OTLP/JSON; works for requests and responses."""
    return json.dumps(_object(message), ensure_ascii=False, separators=(",", ":")).encode()


class _Field(NamedTuple):
    name: str
    json_name: str
    repeated: bool
    message: bool
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    """The fields of a message type under both of their names."""
    fields: dict[str, _Field] = {}
    for field in descriptor.fields:
        entry = _Field(
            field.name,
            field.json_name,
            field.is_repeated,
            field.message_type is not None,
            scalar_reader(field),
            scalar_writer(field),
        )
        fields[field.name] = fields[field.json_name] = entry
    return fields


def _fill(message: Message, source: object, depth: int) -> None:
    if not isinstance(source, dict):
        raise MisfitError(f"must be an object, not {kind_of(source)}")
    if depth > _MAX_DEPTH:
        raise TooDeepError(f"the JSON is nested deeper than {_MAX_DEPTH} levels")
    known = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        field = known.get(key)
        if field is None or value is None:
            continue
        try:
            if field.repeated:
                _fill_list(getattr(message, field.name), field, value, depth)
            elif field.message:
                part = getattr(message, field.name)
                part.SetInParent()
                _fill(part, value, depth + 1)
            elif (read := field.read(value)) is not None:
                setattr(message, field.name, read)
        except MisfitError as misfit:
            misfit.path = f".{key}{misfit.path}"
            raise


def _fill_list(target: Any, field: _Field, value: object, depth: int) -> None:
    if not isinstance(value, list):
        raise MisfitError(f"must be an array, not {kind_of(value)}")
    for index, item in enumerate(value):
        try:
            if field.message:
                _fill(target.add(), item, depth + 1)
            else:
                target.append(field.read(item))
        except MisfitError as misfit:
            misfit.path = f"[{index}]{misfit.path}"
            raise


def _object(message: Message) -> dict[str, Any]:
    known = _fields(message.DESCRIPTOR)
    written: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        field = known[descriptor.name]
        write = _object if field.message else field.write
        written[field.json_name] = [write(item) for item in value] if field.repeated else write(value)
    return written
