"""Which provider a host is, in the conventions' names (``gen_ai.provider.name``) or else the price list's."""

from __future__ import annotations

HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
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
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
}
"""A host, or the end of one: ``openai.azure.com`` covers every resource below it."""


def provider_of(host: str) -> str | None:
    """Give the provider behind ``host``, or None for a gateway or a server of one's own."""
    labels = host.lower().split(".")
    for start in range(len(labels) - 1):
        if provider := HOSTS.get(".".join(labels[start:])):
            return provider
    # Regional Vertex hosts have the region in the same label: us-east1-aiplatform.googleapis.com.
    return "gcp.vertex_ai" if host.endswith("-aiplatform.googleapis.com") else None
