"""OpenLIT: the semantic conventions, with the provider's own idea of input and with guesses.

Anthropic's and Bedrock's input excludes the cache. A stream that reported no usage is given token counts by a local
tokenizer; such a span lacks the cache counts that every answered call has. A cost of 0 means that no price was known.
The time to the first token is also filled for answers that were not streamed, where it is the whole duration.
A failed call of some libraries has no attributes at all: its name is the operation and the model.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect, Reading
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.usage import include_cache
from spanledger_collector.normalise.values import text, truth

_CACHE_BESIDE_INPUT = ("anthropic", "aws.bedrock")


def _kind(span: Span) -> Kind:
    return semconv.kind(span) if span.attributes else semconv.kind_of(span.name.partition(" ")[0])


def _adjust(reading: Reading) -> None:
    fields = reading.fields
    if not reading.span.attributes:
        fields["operation"], _, fields["request_model"] = reading.span.name.partition(" ")
    if canonical_provider(text(fields.get("provider"))) in _CACHE_BESIDE_INPUT:
        include_cache(fields)
    if reading.kind == "llm" and truth(fields.get("stream")):
        fields["usage_estimated"] = "cache_read_tokens" not in fields
        fields.setdefault("ttft_s", reading.span.attributes.get("gen_ai.server.time_to_first_token"))


DIALECT = Dialect(
    name="openlit",
    scopes=("openlit",),
    fields=semconv.FIELDS,
    kind=_kind,
    adjust=_adjust,
    trust=50,
    understood=("gen_ai.client.token.usage", "gen_ai.server.time_to_first_token"),
)
