"""Usage objects of every shape, in the ledger's convention: totals with their parts."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_collector.normalise.usage import include_cache, read_usage, settle_totals

SHAPES: dict[str, tuple[Any, dict[str, int]]] = {
    "OpenAI chat: totals": (
        {
            "prompt_tokens": 3000,
            "completion_tokens": 900,
            "total_tokens": 3900,
            "prompt_tokens_details": {"cached_tokens": 2048},
            "completion_tokens_details": {"reasoning_tokens": 640},
        },
        {"input_tokens": 3000, "cache_read_tokens": 2048, "output_tokens": 900, "reasoning_tokens": 640},
    ),
    "OpenAI responses: totals": (
        {
            "input_tokens": 2600,
            "input_tokens_details": {"cached_tokens": 1536},
            "output_tokens": 400,
            "output_tokens_details": {"reasoning_tokens": 256},
        },
        {"input_tokens": 2600, "cache_read_tokens": 1536, "output_tokens": 400, "reasoning_tokens": 256},
    ),
    "Anthropic: input without cache": (
        {
            "input_tokens": 1000,
            "cache_read_input_tokens": 3000,
            "cache_creation_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400},
            "output_tokens": 300,
        },
        {
            "input_tokens": 5000,
            "cache_read_tokens": 3000,
            "cache_write_tokens": 1000,
            "cache_write_1h_tokens": 400,
            "output_tokens": 300,
        },
    ),
    "Bedrock Converse: input without cache": (
        {"inputTokens": 1000, "cacheReadInputTokens": 3000, "cacheWriteInputTokens": 1000, "outputTokens": 300},
        {"input_tokens": 5000, "cache_read_tokens": 3000, "cache_write_tokens": 1000, "output_tokens": 300},
    ),
    "Gemini: output without thoughts, tool prompts beside the input": (
        {
            "promptTokenCount": 4000,
            "cachedContentTokenCount": 3000,
            "toolUsePromptTokenCount": 50,
            "candidatesTokenCount": 200,
            "thoughtsTokenCount": 500,
        },
        {"input_tokens": 4050, "cache_read_tokens": 3000, "output_tokens": 700, "reasoning_tokens": 500},
    ),
    "LangChain: totals, writes counted by their life only": (
        {
            "input_tokens": 5000,
            "output_tokens": 300,
            "input_token_details": {
                "cache_read": 3000,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 600,
                "ephemeral_1h_input_tokens": 400,
            },
        },
        {
            "input_tokens": 5000,
            "cache_read_tokens": 3000,
            "cache_write_tokens": 1000,
            "cache_write_1h_tokens": 400,
            "output_tokens": 300,
        },
    ),
    "MLflow: Anthropic's names, but totals": (
        {"input_tokens": 5000, "output_tokens": 300, "total_tokens": 5300, "cache_read_input_tokens": 3000},
        {"input_tokens": 5000, "cache_read_tokens": 3000, "output_tokens": 300},
    ),
    "Langfuse: buckets that add up": (
        {"input": 1000, "input_cached_tokens": 3000, "output": 200, "output_reasoning_tokens": 100},
        {"input_tokens": 4000, "cache_read_tokens": 3000, "output_tokens": 300, "reasoning_tokens": 100},
    ),
    "JSON text": ('{"prompt_tokens": 12, "completion_tokens": 3}', {"input_tokens": 12, "output_tokens": 3}),
    "repr of a Python dict": (
        "{'prompt_tokens': 12, 'completion_tokens': 3, 'prompt_tokens_details': None}",
        {"input_tokens": 12, "output_tokens": 3},
    ),
    "nothing of the kind": ({"calls": 3}, {}),
    "counts that are none": ({"prompt_tokens": "many", "completion_tokens": -1}, {}),
    "no map": (["prompt_tokens", 12], {}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_read_into_totals(shape: str) -> None:
    """What each provider or SDK calls input and output comes out as totals, and the parts as parts of them."""
    usage, expected = SHAPES[shape]
    counts = read_usage(usage)
    assert {name: value for name, value in counts.items() if value} == expected


def test_include_cache_adds_what_was_counted_beside_the_input() -> None:
    """Counts may be text, as attributes are; without an input and a cache there is nothing to add."""
    counts: dict[str, Any] = {"input_tokens": "1000", "cache_read_tokens": 3000, "cache_write_tokens": "1000"}
    include_cache(counts)
    assert counts["input_tokens"] == 5000
    unknown: dict[str, Any] = {"output_tokens": 10}
    include_cache(unknown)
    assert unknown == {"output_tokens": 10}


@pytest.mark.parametrize(
    ("plain", "read", "total", "settled"),
    [
        (1000, 3000, None, 4000),  # a part is larger than its whole
        (3000, 1000, 4010, 4000),  # the total only adds up with the cache beside the input
        (3000, 1000, 3010, 3000),  # the total adds up without it
        (3000, 1000, None, 3000),  # nothing proves it
        (3000, 0, 3010, 3000),
    ],
)
def test_input_is_made_a_total_only_on_proof(plain: int, read: int, total: int | None, settled: int) -> None:
    """In a dialect that nobody knows, arithmetic decides whether the input contains the cache; else it is taken to."""
    counts: dict[str, int | None] = {"input_tokens": plain, "cache_read_tokens": read, "output_tokens": 10}
    settle_totals(counts, total)
    assert counts["input_tokens"] == settled


@pytest.mark.parametrize(
    ("output", "reasoning", "total", "settled"),
    [(10, 50, None, 60), (100, 50, 1150, 150), (100, 50, 1100, 100), (100, 50, None, 100)],
)
def test_output_is_made_a_total_only_on_proof(output: int, reasoning: int, total: int | None, settled: int) -> None:
    """The same for thoughts that are counted beside the output."""
    counts: dict[str, int | None] = {"input_tokens": 1000, "output_tokens": output, "reasoning_tokens": reasoning}
    settle_totals(counts, total)
    assert counts["output_tokens"] == settled
