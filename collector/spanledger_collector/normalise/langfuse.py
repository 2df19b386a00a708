"""Langfuse's SDK (scope ``langfuse-sdk``): observations, of which generations and embeddings are calls.

``langfuse.observation.usage_details`` is whatever shape the integration or the user gave (``usage.read_usage`` tells
them apart). The model's name is the answer's, or the request's where the call failed. There is no provider, and an
id only where the Responses API streamed. Values are JSON texts.
"""

from __future__ import annotations

from datetime import datetime

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import mapping, text, unquoted

_PREFIX = "langfuse.observation."
_TYPE = _PREFIX + "type"
_USAGE = _PREFIX + "usage_details"
_COST = _PREFIX + "cost_details"
_KINDS: dict[str, Kind] = {"generation": "llm", "embedding": "embedding", "tool": "tool"}


def _kind(span: Span) -> Kind:
    return _KINDS.get(str(span.attributes.get(_TYPE)), "agent")


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    attributes = span.attributes
    for name in ("user", "session", "response_id"):
        if name in fields:
            fields[name] = unquoted(fields[name])
    failed = attributes.get(_PREFIX + "level") == "ERROR"
    if failed and span.status_code != 2:
        fields["error_type"] = "_OTHER"
    if reading.kind == "tool":
        fields["tool_name"] = span.name
        fields["tool_arguments"] = mapping(attributes.get(_PREFIX + "input")).get("kwargs")
    elif reading.kind == "agent":
        fields["operation"] = text(attributes.get(_TYPE))
        if fields["operation"] == "agent":
            fields.setdefault("agent", span.name)
    else:
        model = unquoted(attributes.get(_PREFIX + "model.name"))
        fields["request_model" if failed else "response_model"] = model
        fields.update(read_usage(attributes.get(_USAGE)))
        fields["reported_cost_usd"] = mapping(attributes.get(_COST)).get("total")
        _read_first_token(reading)


def _read_first_token(reading: Reading) -> None:
    """``completion_start_time`` is set on streams only: a quoted ISO 8601 time."""
    stated = unquoted(reading.span.attributes.get(_PREFIX + "completion_start_time"))
    if not stated:
        return
    reading.fields["stream"] = True
    try:
        first_token_s = datetime.fromisoformat(stated).timestamp()
    except (ValueError, OverflowError, OSError):
        return
    reading.fields["ttft_s"] = first_token_s - reading.span.start_ns / 1e9


DIALECT = Dialect(
    name="langfuse",
    scopes=("langfuse-sdk",),
    markers=frozenset((_TYPE,)),
    fields={
        "response_id": (_PREFIX + "metadata.id",),
        "user": (*IDENTITY["user"], "langfuse.user.id", _PREFIX + "metadata.langfuse_user_id"),
        "session": (*IDENTITY["session"], "langfuse.session.id", _PREFIX + "metadata.langfuse_session_id"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=45,
    understood=(_USAGE, _COST),
)
