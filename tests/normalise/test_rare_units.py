"""Audio, images and web searches: counted where a usage object or an answer says them, billed by their own rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spanledger_collector.merge import fold
from spanledger_collector.model import Fact
from spanledger_collector.normalise.answers import read_answer
from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced

AT_NS = 1_795_176_000_000_000_000  # 2026-11-20T12:00:00Z


def cost_usd(provider: str, model: str, **counts: Any) -> Decimal | None:
    """What one call with these counts costs, by way of the merge."""
    fact = Fact("t", "s", started_at_ns=AT_NS, kind="llm", provider=provider, response_model=model, **counts)
    (call,) = (row.call for row in fold([fact]).values() if row.call)
    return priced(call, Catalogue.load()).cost_usd


def test_openai_says_audio_and_images_in_the_details() -> None:
    """Parts of input and output, in either of OpenAI's shapes; audio at its own rate."""
    chat = {
        "prompt_tokens": 5000,
        "prompt_tokens_details": {"audio_tokens": 4000, "cached_tokens": 0},
        "completion_tokens": 10,
        "completion_tokens_details": {"audio_tokens": 8},
    }
    counts = read_usage(chat)
    assert (counts["input_audio_tokens"], counts["output_audio_tokens"]) == (4000, 8)
    assert cost_usd("openai", "gpt-audio", **counts) == 1000 * Decimal("2.5e-6") + 4000 * Decimal("32e-6") + (
        2 * Decimal("10e-6") + 8 * Decimal("64e-6")
    )
    images = {
        "input_tokens": 300,
        "input_tokens_details": {"image_tokens": 200, "text_tokens": 100},
        "output_tokens": 0,
    }
    assert read_usage(images)["input_image_tokens"] == 200
    assert cost_usd("openai", "gpt-image-1", **read_usage(images)) == 100 * Decimal("5e-6") + 200 * Decimal("10e-6")


def test_searches_are_billed_beside_the_tokens() -> None:
    """Anthropic counts them in its usage, the Responses API lists them in its answer; ten dollars a thousand."""
    usage = {"input_tokens": 100, "output_tokens": 10, "server_tool_use": {"web_search_requests": 3}}
    counts = read_usage(usage)
    tokens = 100 * Decimal("3e-6") + 10 * Decimal("15e-6")
    assert cost_usd("anthropic", "claude-sonnet-4-5", **counts) == tokens + 3 * Decimal("0.01")
    answer = {
        "id": "resp_1",
        "model": "gpt-4o",
        "output": [{"type": "web_search_call"}, {"type": "message"}, {"type": "web_search_call"}],
        "usage": {"input_tokens": 100, "output_tokens": 10, "input_tokens_details": {"cached_tokens": 0}},
    }
    assert read_answer(answer)["web_searches"] == 2
