"""LiteLLM's own OpenTelemetry callback (scope ``litellm``).

A call is two spans, both named as the user likes: the outer follows the semantic conventions but has the detailed
counts only in ``metadata.usage_object``, the ``repr`` of a Python dict; the inner repeats the provider's raw answer as
``llm.<provider>.*``. For providers other than OpenAI the outer's response id is one that LiteLLM made up,
and for Responses it wraps the provider's. A stream without usage is written as zeros and a cost of zero.
"""

from __future__ import annotations

import base64
import re

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.answers import read_answer
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import text

_USAGE = "metadata.usage_object"
_RAW_USAGE = re.compile(r"llm\.[^.]+\.(usage|usageMetadata)$")
_MADE_UP_ID = re.compile(r"(chatcmpl-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_WRAPPED_ID = re.compile(r"resp_([A-Za-z0-9+/=_-]{40,2000})$")


def _kind(span: Span) -> Kind:
    if span.attributes.get(semconv.OPERATION) or "gen_ai.request.model" in span.attributes:
        return semconv.kind(span)
    return "llm" if any(_RAW_USAGE.match(name) for name in span.attributes) else "context"


def _adjust(reading: Reading) -> None:
    attributes, fields = reading.span.attributes, reading.fields
    raw = next((name for name in attributes if _RAW_USAGE.match(name)), "")
    if raw:
        prefix = raw.rpartition(".")[0] + "."
        answer = {name.removeprefix(prefix): attributes[name] for name in attributes if name.startswith(prefix)}
        reading.fill(read_answer(answer))
        provider = prefix.split(".")[1]
        fields.setdefault("provider", "" if provider == "None" else provider)
    else:
        reading.fill(read_usage(attributes.get(_USAGE)))
    fields["response_id"] = _provider_id(text(fields.get("response_id")))


def _provider_id(response_id: str) -> str:
    """The id the provider gave: what LiteLLM wrapped, or '' for one of its own."""
    if _MADE_UP_ID.match(response_id):
        return ""
    wrapped = _WRAPPED_ID.match(response_id)
    if wrapped:
        try:
            inner = base64.b64decode(wrapped[1]).decode()
        except ValueError:
            return response_id
        return inner.rpartition("response_id:")[2] if inner.startswith("litellm:") else response_id
    return response_id


DIALECT = Dialect(
    name="litellm",
    scopes=("litellm",),
    markers=frozenset(("litellm.call_id",)),
    fields={
        **semconv.FIELDS,
        "stream": (*semconv.FIELDS["stream"], "llm.is_streaming"),
        "reported_cost_usd": ("gen_ai.cost.total_cost",),
        "user": (
            *IDENTITY["user"],
            "llm.user",
            "metadata.user_api_key_end_user_id",
            "metadata.user_api_key_user_id",
        ),
        "team": (*IDENTITY["team"], "metadata.user_api_key_team_alias", "metadata.team_alias"),
        "session": (*IDENTITY["session"], "metadata.session_id"),
    },
    kind=_kind,
    adjust=_adjust,
    trust=55,
    understood=(_USAGE, "gen_ai.cost.", "llm."),
)
