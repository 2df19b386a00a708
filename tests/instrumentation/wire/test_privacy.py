"""Who a call is for does not leave for a provider."""

from __future__ import annotations

import anthropic
import httpx2
import pytest
from opentelemetry import baggage, propagate
from opentelemetry.context import attach, detach

import spanledger

SIGNED = {"authorization": "AWS4-HMAC-SHA256 x"}
REQUEST = {"model": "m", "max_tokens": 1, "messages": []}


@pytest.mark.parametrize(
    ("url", "own", "headers", "arrives"),
    [
        ("https://api.anthropic.com/v1/messages", {}, {}, None),
        ("https://api.anthropic.com/v1/messages", {"shop": "7"}, {}, "shop=7"),
        ("http://gateway.local/v1/messages", {}, {}, "spanledger.task=T-1,spanledger.user=u-17"),
        ("https://api.anthropic.com/v1/messages", {}, SIGNED, "spanledger.task=T-1,spanledger.user=u-17"),
    ],
    ids=["alone", "with others'", "own gateway", "signed"],
)
def test_our_baggage_stops_before_a_provider(url, own, headers, arrives, spans):
    """A propagated header loses our entries on its way to a provider, and no others; a gateway gets all."""
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx2.Response(200, json={})

    context = None
    for name, value in own.items():
        context = baggage.set_baggage(name, value, context)
    token = attach(context) if context else None
    carrier: dict[str, str] = dict(headers)
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client, spanledger.task("T-1", user="u-17"):
        propagate.inject(carrier)
        client.post(url, json=REQUEST, headers=carrier)
    if token:
        detach(token)
    assert seen[0]["traceparent"] == carrier["traceparent"]
    assert seen[0].get("baggage") == arrives


def test_an_sdk_that_propagates_tells_the_provider_nothing(spans, recorded_case):
    """The Anthropic SDK sends its trace context along; whom the call is for stays here."""
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx2.Response(200, json=recorded_case("messages_plain")["answer"])

    with (
        anthropic.Anthropic(
            api_key="test",
            http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
            open_telemetry={"tracer_provider": spans.provider},
        ) as client,
        spanledger.task("T-1", user="u-17"),
    ):
        client.messages.create(**recorded_case("messages_plain")["request"])
    assert "traceparent" in seen[0]
    assert "baggage" not in seen[0]
