"""The Vercel AI SDK, versions 4 to 7: spans ``ai.*`` of the scope ``ai``, and the spans of ``@ai-sdk/otel``.

Only the leaves (``ai.generateText.doGenerate``, ``ai.embed.doEmbed``) are calls, one an attempt: retries are made
above them. The spans above repeat the usage as sums. Versions 4 and 5 pass on what the provider counted, so that
Anthropic's input lacks the cache and Gemini's output the thoughts; these are in the provider's metadata, a JSON text,
if anywhere. From version 6 on counts are totals. Of version 5 no capture is in the
corpus.
"""

from __future__ import annotations

from typing import Any

from spanledger_collector.model import Attributes, Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import IDENTITY, Dialect, Reading
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.normalise.usage import include_cache, read_usage
from spanledger_collector.normalise.values import count, json_object, number, text

_OPERATION = "ai.operationId"
_LEAVES: dict[str, Kind] = {"doGenerate": "llm", "doStream": "llm", "doEmbed": "embedding"}
_TOTALS = ("ai.usage.inputTokenDetails.noCacheTokens", "ai.usage.inputTokenDetails.cacheReadTokens")
_METADATA = "ai.response.providerMetadata"
_METADATA_COUNTS = {
    "cacheReadInputTokens": "cache_read_tokens",
    "cachedPromptTokens": "cache_read_tokens",
    "cacheCreationInputTokens": "cache_write_tokens",
    "reasoningTokens": "reasoning_tokens",
}
_OWN_IDS = ("aitxt-", "aiobj-")
_ANSWERED_BUT_UNUSABLE = "AI_NoObjectGeneratedError"


def _kind(span: Span) -> Kind:
    operation = text(span.attributes.get(_OPERATION)) or span.name
    if operation == "ai.toolCall":
        return "tool"
    return _LEAVES.get(operation.rpartition(".")[2], "agent")


def _adjust(reading: Reading) -> None:
    span, fields = reading.span, reading.fields
    if reading.kind not in ("llm", "embedding"):
        return
    fields["stream"] = text(span.attributes.get(_OPERATION)).endswith(".doStream")
    first_chunk_ms = number(span.attributes.get("ai.response.msToFirstChunk"))
    if first_chunk_ms is not None:
        fields["ttft_s"] = first_chunk_ms / 1000
    if text(fields.get("response_id")).startswith(_OWN_IDS):
        # Made by the SDK where the provider's answer has none that it knows: no copy of the call has it.
        del fields["response_id"]
    if any(event.attributes.get("exception.type") == _ANSWERED_BUT_UNUSABLE for event in span.events):
        # The provider answered and bills it: the call itself did not fail, and what it used is unknown.
        fields["error_type"] = ""
    _read_metadata(span.attributes, fields)


def _read_metadata(attributes: Attributes, fields: dict[str, Any]) -> None:
    """What the provider's own part of the metadata adds, and what it changes where counts are the provider's."""
    stated: dict[str, Any] = {}
    for part in map(json_object, json_object(attributes.get(_METADATA)).values()):
        usage = json_object(part.get("usage")) or json_object(part.get("usageMetadata"))
        stated |= read_usage(usage)
        stated |= {name: part[key] for key, name in _METADATA_COUNTS.items() if count(part.get(key)) is not None}
        fields.setdefault("service_tier", text(part.get("serviceTier")) or text(usage.get("service_tier")))
    fields["cache_write_1h_tokens"] = stated.get("cache_write_1h_tokens")
    if any(name in attributes for name in _TOTALS):
        return
    fields.update({name: stated[name] for name in _METADATA_COUNTS.values() if name in stated})
    provider = canonical_provider(text(fields.get("provider")), text(fields.get("request_model")))
    visible = count(fields.get("output_tokens"))
    if provider in ("anthropic", "aws.bedrock"):
        include_cache(fields)
    elif provider.startswith("gcp.") and visible is not None:
        fields["output_tokens"] = visible + (count(fields.get("reasoning_tokens")) or 0)


DIALECT = Dialect(
    name="vercel_ai",
    scopes=("ai",),
    markers=frozenset((_OPERATION,)),
    kind=_kind,
    adjust=_adjust,
    fields={
        "provider": ("gen_ai.system", "ai.model.provider"),
        "request_model": ("gen_ai.request.model", "ai.model.id"),
        "response_model": ("gen_ai.response.model", "ai.response.model"),
        "response_id": ("gen_ai.response.id", "ai.response.id"),
        "input_tokens": (
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "gen_ai.usage.input_tokens",
            "ai.usage.tokens",
        ),
        "cache_read_tokens": ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        "cache_write_tokens": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.usage.output_tokens"),
        "reasoning_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        "tool_name": ("ai.toolCall.name",),
        "tool_call_id": ("ai.toolCall.id",),
        "tool_arguments": ("ai.toolCall.args",),
        "task": (*IDENTITY["task"], "ai.telemetry.metadata.task", "ai.telemetry.metadata.taskId"),
        "agent": (*IDENTITY["agent"], "ai.telemetry.functionId"),
        "team": (*IDENTITY["team"], "ai.telemetry.metadata.team", "ai.telemetry.metadata.teamId"),
        "user": (*IDENTITY["user"], "ai.telemetry.metadata.userId", "ai.telemetry.metadata.user"),
        "session": (*IDENTITY["session"], "ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.threadId"),
    },
    understood=(
        *_TOTALS,
        "ai.usage.outputTokenDetails.textTokens",
        "ai.response.avgCompletionTokensPerSecond",
        "ai.response.avgOutputTokensPerSecond",
    ),
)

DIALECT_V7 = Dialect(name="vercel_ai", scopes=("gen_ai",), fields=semconv.FIELDS, kind=semconv.kind)
