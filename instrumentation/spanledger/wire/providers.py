"""Which provider a host is, in the conventions' names (``gen_ai.provider.name``) or else the price list's."""

from __future__ import annotations

import os
import re
from functools import lru_cache

VARIABLE = "SPANLEDGER_PROVIDER_HOSTS"
"""``host=provider,...``: hosts of one's own and the providers behind them, for what is paid there."""

HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.cerebras.ai": "cerebras",
    "api.fireworks.ai": "fireworks",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.voyageai.com": "voyageai",
    "api.novita.ai": "novita",
    "api.minimax.io": "minimax",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "inference.baseten.co": "baseten",
    "ollama.com": "ollama",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
}
"""A host, or the end of one: ``openai.azure.com`` covers every resource below it."""

BEDROCK = re.compile(r"(^|\.)bedrock[\w-]*\.[\w-]+\.((vpce\.)?amazonaws\.com(\.cn)?|api\.aws)$")
"""``bedrock-runtime.us-east-1.amazonaws.com`` and its like; much else lives below ``amazonaws.com``."""

PATHS = (
    (re.compile(r"^/openai/deployments/"), "azure.ai.openai"),
    (re.compile(r"/(publishers|endpoints)/"), "gcp.vertex_ai"),
)
"""What a path tells of a gateway that keeps its provider's."""

PORTS = {11434: "ollama"}
"""What a port tells of a server of one's own."""


def provider_of(host: str, port: int, path: str) -> str | None:
    """Give the provider of a request, or None for a gateway or a server of one's own that does not show it."""
    return _provider_of(os.environ.get(VARIABLE, ""), host, port, path)


@lru_cache(maxsize=256)
def _provider_of(configured: str, host: str, port: int, path: str) -> str | None:
    own = _below(host, _parsed(configured)) if configured else None
    return own or public_provider(host) or PORTS.get(port) or _by_path(path)


@lru_cache(maxsize=256)
def public_provider(host: str) -> str | None:
    """Give the provider whose own host this is, or None."""
    host = host.lower()
    if provider := _below(host, HOSTS):
        return provider
    # Regional Vertex hosts have the region in the same label: us-east1-aiplatform.googleapis.com.
    if host.endswith("-aiplatform.googleapis.com"):
        return "gcp.vertex_ai"
    return "aws.bedrock" if BEDROCK.search(host) else None


def _below(host: str, hosts: dict[str, str]) -> str | None:
    labels = host.split(".")
    return next((hosts[end] for start in range(len(labels)) if (end := ".".join(labels[start:])) in hosts), None)


def _by_path(path: str) -> str | None:
    return next((provider for pattern, provider in PATHS if pattern.search(path)), None)


@lru_cache(maxsize=1)
def _parsed(configured: str) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in configured.split(","))
    return {host.strip().lower(): provider.strip() for host, _, provider in pairs if provider.strip()}
