"""Usage objects as providers and SDKs shape them, read into the ledger's convention: totals, with their parts.

One table of names serves every shape, because no two shapes use one name for different things; only whether the input
already contains the cache, and the output the reasoning, has to be told apart:

=====================  =========================================================  ==================================
shape                  known by                                                   input / output
=====================  =========================================================  ==================================
OpenAI chat            ``prompt_tokens``                                          with cache / with reasoning
OpenAI responses       ``input_tokens_details``                                   with cache / with reasoning
LangChain, MLflow      ``input_token_details``, ``total_tokens``                  with cache / with reasoning
Anthropic              ``input_tokens`` without any of those                      without cache / with thinking
Bedrock Converse       ``inputTokens``                                            without cache / with reasoning
Gemini                 ``promptTokenCount`` (also in snake case)                  with cache / without thoughts
Langfuse               ``input``, ``output``                                      without cache / without reasoning
=====================  =========================================================  ==================================
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from spanledger_collector.normalise.values import count, mapping

_PATHS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": (
        "prompt_tokens",
        "input_tokens",
        "inputTokens",
        "promptTokenCount",
        "prompt_token_count",
        "input",
    ),
    "cache_read_tokens": (
        "cache_read_input_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "input_token_details.cache_read",
        "cacheReadInputTokens",
        "cachedContentTokenCount",
        "cached_content_token_count",
        "input_cached_tokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_write_tokens",
        "input_token_details.cache_creation",
        "cacheWriteInputTokens",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "input_token_details.ephemeral_1h_input_tokens",
        "cache_creation_input_tokens_above_1hr",
    ),
    "output_tokens": (
        "completion_tokens",
        "output_tokens",
        "outputTokens",
        "candidatesTokenCount",
        "candidates_token_count",
        "output",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning",
        "thoughtsTokenCount",
        "thoughts_token_count",
        "output_reasoning_tokens",
    ),
    "input_audio_tokens": (
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        "input_token_details.audio",
    ),
    "output_audio_tokens": (
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
        "output_token_details.audio",
    ),
    "input_image_tokens": ("input_tokens_details.image_tokens", "prompt_tokens_details.image_tokens"),
    "output_image_tokens": ("output_tokens_details.image_tokens", "completion_tokens_details.image_tokens"),
    "web_searches": ("server_tool_use.web_search_requests",),
}
_WRITE_5M = "input_token_details.ephemeral_5m_input_tokens"
_TOOL_PROMPT = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_GEMINI = ("promptTokenCount", "prompt_token_count", "candidatesTokenCount", "candidates_token_count")
_WITH_CACHE = ("input_tokens_details", "input_token_details", "total_tokens")


def read_usage(usage: Any) -> dict[str, int]:
    """The counts a usage object states, keyed by field of ``Fact``; ``usage`` is a map, its JSON or its Python repr."""
    stated = mapping(usage)
    counts = {
        name: found
        for name, paths in _PATHS.items()
        if (found := next((n for path in paths if (n := count(_at(stated, path))) is not None), None)) is not None
    }
    # LangChain's Anthropic messages count writes by their life only, and leave the sum at zero.
    by_life = (count(_at(stated, _WRITE_5M)) or 0) + counts.get("cache_write_1h_tokens", 0)
    if by_life and not counts.get("cache_write_tokens"):
        counts["cache_write_tokens"] = by_life
    if _excludes_cache(stated):
        include_cache(counts)
    if "output" in stated or any(name in stated for name in _GEMINI):
        _include_reasoning(counts)
    extra = next((n for name in _TOOL_PROMPT if (n := count(stated.get(name)))), 0)
    if extra:
        counts["input_tokens"] = counts.get("input_tokens", 0) + extra
    return counts


def include_cache(counts: MutableMapping[str, Any]) -> None:
    """Make the input a total, where the emitter counts cache reads and writes beside it."""
    cached = (count(counts.get("cache_read_tokens")) or 0) + (count(counts.get("cache_write_tokens")) or 0)
    plain = count(counts.get("input_tokens"))
    if plain is not None or cached:
        counts["input_tokens"] = (plain or 0) + cached


def settle_totals(counts: MutableMapping[str, Any], total: int | None) -> None:
    """Make totals of counts that, by their own arithmetic, certainly are none: in any dialect, known or not.

    A part larger than its whole, or a stated ``total`` that only adds up with the part beside the whole, is proof; a
    total that adds up without it is none, as many emitters compute it themselves.
    """
    plain, output = counts.get("input_tokens"), counts.get("output_tokens")
    cached = (counts.get("cache_read_tokens") or 0) + (counts.get("cache_write_tokens") or 0)
    if plain is not None and cached and (cached > plain or total == plain + cached + (output or 0)):
        include_cache(counts)
    reasoning = counts.get("reasoning_tokens") or 0
    beside = total == (counts.get("input_tokens") or 0) + (output or 0) + reasoning
    if output is not None and reasoning and (reasoning > output or beside):
        _include_reasoning(counts)


def _include_reasoning(counts: MutableMapping[str, Any]) -> None:
    if counts.get("reasoning_tokens"):
        counts["output_tokens"] = (counts.get("output_tokens") or 0) + counts["reasoning_tokens"]


def _excludes_cache(stated: Mapping[str, Any]) -> bool:
    if "inputTokens" in stated or "input" in stated:
        return True
    return "input_tokens" in stated and not any(name in stated for name in ("prompt_tokens", *_WITH_CACHE))


def _at(stated: Mapping[str, Any], path: str) -> Any:
    value: Any = stated
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
