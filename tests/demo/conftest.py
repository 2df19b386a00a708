"""The stand-in provider and the vendors' own SDKs pointed at it."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from openai import OpenAI

from spanledger_collector.demo.provider import StandInProvider


@pytest.fixture(autouse=True)
def _no_proxy_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    """A started stand-in provider that obeys directives."""
    with StandInProvider() as started:
        yield started


@pytest.fixture
def openai_client(provider: StandInProvider) -> Iterator[OpenAI]:
    """The real OpenAI SDK, talking to the stand-in."""
    with OpenAI(base_url=provider.openai_base_url, api_key="stand-in") as client:
        yield client


@pytest.fixture
def anthropic_client(provider: StandInProvider) -> Iterator[Anthropic]:
    """The real Anthropic SDK, talking to the stand-in."""
    with Anthropic(base_url=provider.anthropic_base_url, api_key="stand-in") as client:
        yield client
