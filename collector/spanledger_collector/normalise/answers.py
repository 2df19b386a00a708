"""Providers' answers that emitters keep as JSON: the id, model, tier and usage inside them.

Shapes: OpenAI chat completion and response, Anthropic message, Gemini content, and LangChain's messages around them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spanledger_collector.normalise.usage import read_usage
from spanledger_collector.normalise.values import json_object, text

_OWN_IDS = ("run-", "lc_run")
"""Prefixes of the ids that LangChain gives a message when the provider gave none."""

_REPR_ID = re.compile(r"ChatCompletion\(id='([^']{1,200})'")
_REPR_MODEL = re.compile(r", created=\d+, model='([^']{1,200})', object='chat\.completion'")
_REPR_COUNT = re.compile(r"\b(\w{1,40}_tokens)=(\d{1,15})\b")


def read_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``Fact`` that a provider's answer states; empty for anything that is no answer."""
    fields: dict[str, Any] = {
        "response_id": text(answer.get("id") or answer.get("responseId")),
        "response_model": text(answer.get("model") or answer.get("modelVersion")),
        "service_tier": text(answer.get("service_tier")),
    }
    output = answer.get("output")
    if isinstance(output, list):
        # The Responses API counts its searches nowhere: they are items of the answer.
        fields["web_searches"] = sum(json_object(item).get("type") == "web_search_call" for item in output)
    usage = answer.get("usage") or answer.get("usageMetadata")
    return {name: value for name, value in fields.items() if value} | (read_usage(usage) if usage else {})


def read_langchain(output: Mapping[str, Any]) -> dict[str, Any] | None:
    """Fields of the message in a serialised ``LLMResult`` (``generations[0][0].message.kwargs``), if it is one."""
    generations = output.get("generations")
    if not isinstance(generations, list):
        return None
    for _ in range(2):
        generations = generations[0] if isinstance(generations, list) and generations else generations
    message = json_object(json_object(generations).get("message"))
    message = json_object(message.get("kwargs")) or message
    details = json_object(message.get("response_metadata"))
    ids = (text(details.get("id")), text(message.get("id")))
    fields = {
        "response_id": next((i for i in ids if i and not i.startswith(_OWN_IDS)), ""),
        "response_model": text(details.get("model_name") or details.get("model")),
        "service_tier": text(details.get("service_tier")),
    }
    usage = message.get("usage_metadata") or details.get("token_usage") or details.get("usage")
    return {name: value for name, value in fields.items() if value} | (read_usage(usage) if usage else {})


def read_repr(answer: str) -> dict[str, Any]:
    """Fields that the ``repr`` of the OpenAI SDK's ``ChatCompletion`` states.

    Content stands between the id and the rest, and may look like anything: only the last match of each is believed.
    """
    begin = _REPR_ID.match(answer)
    if begin is None:
        return {}
    end = answer[answer.rfind(", created=") :]
    model = _REPR_MODEL.match(end)
    counts = dict(_REPR_COUNT.findall(end.rpartition("usage=CompletionUsage(")[2]))
    usage = {**counts, "prompt_tokens_details": counts, "completion_tokens_details": counts}
    return {
        "response_id": begin[1],
        **({"response_model": model[1]} if model else {}),
        **(read_usage(usage) if counts else {}),
    }
