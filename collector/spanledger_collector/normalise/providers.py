"""Provider names: every spelling seen to the one of the OpenTelemetry GenAI semantic conventions.

Names of frameworks (LangChain, Strands, ...) are not providers; the model's name then tells whose it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SPELLINGS = {
    "openai": ("openai.chat", "openai.responses", "openai.completion", "openai.embedding", "open_ai"),
    "anthropic": ("anthropic.messages", "claude"),
    "aws.bedrock": ("aws_bedrock", "aws", "bedrock", "amazon-bedrock", "amazon_bedrock", "bedrock_converse"),
    "azure.ai.openai": ("az.ai.openai", "azure", "azure_openai", "azure-openai", "azure.openai"),
    "azure.ai.inference": ("az.ai.inference",),
    "gcp.gemini": ("gemini", "google", "google_genai", "google.generative-ai", "google_ai_studio"),
    "gcp.vertex_ai": ("vertex_ai", "vertexai", "google.vertex", "gcp.vertex.agent", "google_vertexai"),
    "gcp.gen_ai": (),
    "x_ai": ("xai", "x-ai"),
    "mistral_ai": ("mistralai", "mistral"),
    "ibm.watsonx.ai": ("watsonx",),
    "moonshot_ai": ("moonshot",),
    "cohere": (),
    "deepseek": (),
    "groq": (),
    "perplexity": (),
}
_CANONICAL = {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others)}

_FRAMEWORKS = frozenset(
    (
        *("langchain", "langgraph", "llama_index", "crewai", "strands-agents", "microsoft.agent_framework"),
        *("spring_ai", "framework"),
    )
)

_FAMILIES = (
    (re.compile(r"(gpt-|chatgpt-|o[134](-|$)|text-embedding-(3|ada)|davinci|codex-)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini-"), "gcp.gemini"),
    (re.compile(r"(mistral|magistral|codestral|ministral|devstral|pixtral)-"), "mistral_ai"),
    (re.compile(r"deepseek-"), "deepseek"),
    (re.compile(r"grok-"), "x_ai"),
    (re.compile(r"command-"), "cohere"),
    (
        re.compile(r"(arn:aws:bedrock:|((us|eu|apac|global)\.)?(anthropic|amazon|meta|cohere|mistral)\.)"),
        "aws.bedrock",
    ),
)


@lru_cache(maxsize=4096)
def canonical_provider(raw: str, model: str = "") -> str:
    """The semantic conventions' name for ``raw``; without a usable one, the family ``model`` is named after; else ''.

    A name nobody has a spelling for is kept as it is, in lower case.
    """
    name = raw.strip().lower()
    if not name or name in _FRAMEWORKS:
        return next((provider for family, provider in _FAMILIES if family.match(model.lower())), "")
    return _CANONICAL.get(name, name)
