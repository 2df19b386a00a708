"""Spring AI: Micrometer observations, exported under Spring Boot's scope, that follow the semantic conventions.

``spring.ai.kind`` marks the spans above a call (chat client, advisor) and the tools. Counts are the provider's own:
Anthropic's input leaves the cache out. No capture of it is in the corpus.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.usage import include_cache
from spanledger_collector.normalise.values import text

_KIND = "spring.ai.kind"


def _kind(span: Span) -> Kind | None:
    kind = span.attributes.get(_KIND)
    if kind:
        return "tool" if kind == "tool_call" else "agent"
    # Spring Boot's HTTP and database spans have the same scope.
    return semconv.kind(span) if semconv.OPERATION in span.attributes else None


def _adjust(reading: Reading) -> None:
    fields = reading.fields
    if reading.kind == "tool":
        # Named "framework" by the emitter.
        fields.pop("operation", None)
    provider = canonical_provider(text(fields.get("provider")), text(fields.get("request_model")))
    if provider in ("anthropic", "aws.bedrock"):
        include_cache(fields)


DIALECT = Dialect(
    name="spring_ai",
    scopes=("org.springframework.boot", "org.springframework.ai"),
    markers=frozenset((_KIND,)),
    kind=_kind,
    adjust=_adjust,
    fields={
        **semconv.FIELDS,
        "tool_name": ("spring.ai.tool.definition.name", *semconv.FIELDS["tool_name"]),
        "tool_arguments": ("spring.ai.tool.call.arguments", *semconv.FIELDS["tool_arguments"]),
        "session": (*IDENTITY["session"], "spring.ai.chat.client.conversation.id"),
    },
)
