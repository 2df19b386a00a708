"""Who is meant: raw names of providers and models, as spans spell them, to canonical ones."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml
from genai_prices.data import providers

from spanledger_collector.names import NAMES_FILE, shipped_names
from spanledger_collector.normalise.providers import canonical_provider
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.catalogue import NAMES_REMEMBERED

TOKENS = Usage(input_tokens=1000, output_tokens=500)
AT_NS = 1_795_176_000_000_000_000  # 2026-11-20T12:00:00Z
SONNET = "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("provider", "model", "canonical"),
    [
        ("openai", "gpt-4o", ("openai", "gpt-4o")),
        ("OpenAI", "GPT-4o", ("openai", "gpt-4o")),
        ("openai.responses", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("openai", "gpt-4o-2024-11-20", ("openai", "gpt-4o")),
        ("openai", "gpt-5.2-20251211", ("openai", "gpt-5.2")),
        ("openai", "ft:gpt-4o-2024-08-06:acme::abc", ("openai", "ft:gpt-4o")),
        ("azure.ai.openai", "gpt-4o", ("azure", "gpt-4o")),
        ("az.ai.openai", "azure/gpt-4o", ("azure", "gpt-4o")),
        ("anthropic", "anthropic/claude-sonnet-4-5-20250929", ("anthropic", "claude-sonnet-4-5")),
        ("anthropic.messages", "claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        ("gcp.gemini", "models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("gemini", "gemini/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        (
            "vertex_ai",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929",
            ("google", "claude-sonnet-4-5"),
        ),
        ("vertex_ai", "claude-sonnet-4-5@20250929", ("google", "claude-sonnet-4-5")),
        ("x_ai", "xai/grok-4", ("x-ai", "grok-4-0709")),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("aws", SONNET)),
        ("AWS", f"{ARN}inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("aws", SONNET)),
        ("bedrock", "bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", ("aws", SONNET)),
        ("fireworks_ai", "accounts/fireworks/models/gpt-oss-120b", ("fireworks", "gpt-oss-120b")),
        ("langchain", "gpt-4o", ("openai", "gpt-4o")),
        ("strands-agents", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("aws", SONNET)),
        ("", "claude-sonnet-4-5", ("anthropic", "claude-sonnet-4-5")),
        ("", "azure/gpt-4o", ("azure", "gpt-4o")),
        ("", "gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("", "o3", ("openai", "o3")),
    ],
)
def test_a_name_is_found(catalogue: Catalogue, provider: str, model: str, canonical: tuple[str, str]) -> None:
    """Each spelling that SDKs and gateways use leads to one (provider, model)."""
    assert catalogue.canonical(provider, model) == canonical


@pytest.mark.parametrize(
    ("provider", "model", "status"),
    [
        ("openai", "my-gpt-4o", "unknown_model"),
        ("openai", "gpt-4o-2099-01-01", "unknown_model"),
        ("openai", "anthropic/claude-sonnet-4-5", "unknown_model"),
        ("azure", "prod-o4-mini", "unknown_model"),
        ("google", "acme-claude-sonnet-4-5", "unknown_model"),
        ("aws", f"{ARN}custom-model/anthropic.claude-3-haiku-20240307-v1:0/abc", "unknown_model"),
        ("aws", f"{ARN}application-inference-profile/abc", "unknown_model"),
        ("", "claude-next-99", "unknown_model"),
        ("", "gpt-oss-120b", "unknown_provider"),
        ("langchain", "llama-3.3-70b", "unknown_provider"),
        ("acme-gateway", "gpt-4o", "unknown_provider"),
        ("", "", "unknown_provider"),
        ("openai", "", "unknown_model"),
    ],
)
def test_a_likeness_is_not_enough(catalogue: Catalogue, provider: str, model: str, status: str) -> None:
    """A name that merely looks like a model, or belongs to another provider, has no price."""
    price = catalogue.price(provider, (model,), AT_NS, TOKENS)
    assert (price.cost_pico_usd, price.status) == (None, status)


def test_the_first_known_model_counts(catalogue: Catalogue) -> None:
    """The response's model is preferred; the request's counts where the response's is missing or unknown."""
    cheap, dear = "gpt-4o-mini", "gpt-4o"
    cost = {
        models: catalogue.price("openai", models, AT_NS, TOKENS).cost_pico_usd
        for models in ((cheap, dear), ("", dear), ("some-deployment", dear), (dear, cheap))
    }
    assert list(cost.values()) == [450_000_000, 7_500_000_000, 7_500_000_000, 7_500_000_000]


def test_names_are_remembered_within_bounds(catalogue: Catalogue) -> None:
    """A client that invents names cannot fill the memory, nor drive known names out of the catalogue."""
    for number in range(NAMES_REMEMBERED + 10):
        catalogue.price("acme-gateway", (f"model-{number}",), AT_NS, TOKENS)
    assert len(catalogue._ladders) <= NAMES_REMEMBERED
    assert catalogue.price("openai", ("gpt-4o",), AT_NS, TOKENS).status == "priced"


def test_every_provider_of_the_table_is_in_the_catalogue() -> None:
    """An alias or a family that leads to a provider that the wheel no longer has fails here."""
    known = {provider.id for provider in providers}
    names = shipped_names()
    ids = {name: names.catalogue.get(name, name) for name in names.providers.values()}
    assert {name for name, listed in ids.items() if listed not in known} == {"ibm.watsonx.ai"}
    assert {owner for _, owner in names.families} <= ids.keys()


def test_no_spelling_means_two_providers() -> None:
    """Each spelling of the file stands in one list."""
    content = yaml.safe_load(files("spanledger_schemas").joinpath(NAMES_FILE).read_text("utf-8"))
    spellings = [
        spelling for name, known in content["providers"].items() for spelling in (name, *known.get("spellings", ()))
    ]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    "model", ["gpt-oss-20b", "mistral-7b", "deepseek-r1:14b", "devstral-small", "llama-3.3-70b", "unknown/gpt-oss-20b"]
)
def test_open_weights_served_by_nobody_known_have_no_price(catalogue: Catalogue, model: str) -> None:
    """A span of a server of one's own that names no provider is not billed as if it were the maker's."""
    provider = canonical_provider("", model)
    assert provider == ""
    assert catalogue.price(provider, [model], AT_NS, TOKENS).status == "unknown_provider"


@pytest.mark.parametrize(
    ("raw", "model", "provider"),
    [
        ("OpenAI.responses", "", "openai"),
        ("fireworks_ai", "gpt-oss-120b", "fireworks"),
        ("litellm", "azure/gpt-4o", "azure.ai.openai"),
        ("langchain", "publishers/google/models/gemini-2.5-pro", "gcp.vertex_ai"),
        ("Our Own", "gpt-4o", "our own"),
    ],
)
def test_a_row_names_the_provider_as_the_conventions_do(raw: str, model: str, provider: str) -> None:
    """Spellings, interfaces and frameworks lead to one name for each provider; a name nobody knows is kept."""
    assert canonical_provider(raw, model) == provider
