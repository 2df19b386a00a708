"""Attempts that fail, and traffic that is nobody's business."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import anthropic
import httpx
import httpx2
import openai
import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

from spanledger import guard

MODULES = pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])


def outcome(span):
    """Give what tells the attempts of a call apart."""
    attributes = span["attributes"]
    return (
        attributes.get("http.request.resend_count"),
        attributes["http.response.status_code"],
        attributes.get("error.type"),
        attributes.get("gen_ai.usage.input_tokens"),
    )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_each_attempt_of_a_retried_call_is_a_span(stream, provider, spans, recorded_case):
    """Two failures and a success are three spans, counted up, each with its own outcome."""
    case = recorded_case("chat_stream" if stream else "chat_plain")
    at_once = {"retry_after_ms": "1"}
    provider.will_answer({"error": {"code": "rate_limit_exceeded", "message": "x"}}, 429, **at_once)
    provider.will_answer({"error": {"type": "server_error", "code": None, "message": "x"}}, 500, **at_once)
    provider.will_answer_case(case)
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="test", max_retries=2) as client:
        answer = client.chat.completions.create(**case["request"])
        if stream:
            list(answer)
    # The SDK does not read the body of a failed stream that it tries again, so nobody knows the code.
    first, second = ("429", "500") if stream else ("rate_limit_exceeded", "server_error")
    assert [outcome(span) for span in spans.snapshot()] == [
        (None, 429, first, None),
        (1, 500, second, None),
        (2, 200, None, case["attributes"]["gen_ai.usage.input_tokens"]),
    ]


async def test_a_call_that_stays_failed_raises_as_without_us(provider, spans, recorded_case):
    """The SDK's own exception reaches the caller; the span has the provider's word for it."""
    provider.will_answer({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, 529)
    async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="test", max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError):
            await client.messages.create(**recorded_case("messages_plain")["request"])
    (span,) = spans.snapshot()
    assert (span["status"], *outcome(span)) == ("ERROR", None, 529, "overloaded_error", None)


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        (b"<html>bad gateway</html>", "502"),
        (b'{"error": "a long text about your prompt"}', "502"),
        (b'{"error": {"code": "a text with spaces: my secret"}}', "502"),
        (b'{"error": {"code": 1234}}', "1234"),
        (b'{"error": ', "502"),
        (b"", "502"),
    ],
)
@MODULES
def test_an_error_without_a_code_has_its_status(module, body, error_type, provider, spans, recorded_case):
    """Free text of a provider never becomes an error type; without a code it is the HTTP status."""
    case = recorded_case("chat_plain")
    provider.will_answer(body, 502)
    with module.Client() as client:
        assert client.post(provider.url + case["path"], json=case["request"]).content == body
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", error_type)


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/html", ""])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"usage": 7, "choices": [3]}', b"\xff" * 99])
@MODULES
def test_garbage_with_status_200_claims_nothing(module, body, content_type, provider, spans, recorded_case):
    """A body that is no answer passes unchanged, and its span has no usage."""
    case = recorded_case("messages_plain")
    provider.will_answer(body, content_type=content_type)
    with module.Client() as client:
        assert client.post(provider.url + case["path"], json=case["request"]).content == body
    (span,) = spans.snapshot()
    assert not [key for key in span["attributes"] if key.startswith(("gen_ai.usage", "gen_ai.response"))]


@MODULES
async def test_a_connection_that_fails_is_a_failed_attempt(module, spans, recorded_case):
    """Nobody listening: the client's own error for the caller, its class on the span."""
    case = recorded_case("chat_plain")
    async with module.AsyncClient() as client:
        with pytest.raises(module.ConnectError):
            await client.post("http://127.0.0.1:1/v1/chat/completions", json=case["request"])
    (span,) = spans.snapshot()
    assert span["status"] == "ERROR"
    assert span["attributes"]["error.type"] == f"{module.__name__}.ConnectError"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/responses", b""),
        ("POST", "/v1/moderations", b'{"input": "x"}'),
        ("POST", "/v1/threads/t/messages", b'{"role": "user", "content": "x"}'),
        ("POST", "/v1/messages/count_tokens", b'{"messages": []}'),
        ("POST", "/survey/responses", b'{"answers": []}'),
        ("POST", "/v1/chat/completions", b"no json"),
        ("POST", "/v1/embeddings", b"[]"),
    ],
)
@MODULES
def test_other_traffic_passes_unread(module, method, path, body, provider, spans):
    """A request that lacks the path or the shape of an LLM call makes no span."""
    provider.will_answer(b"anything", 418)
    with module.Client() as client:
        assert client.request(method, provider.url + path, content=body).content == b"anything"
    assert provider.requests[0]["body"] == body
    assert spans.snapshot() == []


@MODULES
def test_a_request_body_that_is_a_stream_is_not_read(module, provider, spans):
    """A generator as a body is sent as it is: reading it would take it from the client."""
    provider.will_answer({})
    with module.Client() as client:
        client.post(
            provider.url + "/v1/embeddings",
            content=(piece for piece in [b'{"input": "x"}']),
            headers={"content-length": "14"},
        )
    assert provider.requests[0]["body"] == b'{"input": "x"}'
    assert spans.snapshot() == []


def test_suppressed_instrumentation_is_obeyed(provider, spans, recorded_case):
    """Where OpenTelemetry's suppression key is set, calls pass without a span."""
    case = recorded_case("chat_plain")
    provider.will_answer_case(case)
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    with httpx2.Client() as client:
        client.post(provider.url + case["path"], json=case["request"])
    detach(token)
    assert spans.snapshot() == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("chat_plain", "chat_completions.ChatCompletions.recognises"),
        ("chat_plain", "attempt.Turn"),
        ("chat_plain", "attempt.provider_of"),
        ("chat_plain", "chat_completions.ChatCompletions.head"),
        ("chat_plain", "chat_completions.ChatCompletions.response_attributes"),
        ("chat_stream", "attempt.reading_of"),
        ("chat_stream", "chat_completions.ChatCompletions.fold"),
        ("chat_stream", "reading.EventReading.response"),
    ],
)
def test_an_error_of_ours_stays_ours(name, part, provider, spans, recorded_case, monkeypatch, caplog):
    """When reading a call fails, the caller has its answer all the same; the log says so once, without content."""
    case = recorded_case(name)
    provider.will_answer_case(case)
    monkeypatch.setattr(guard, "_reported", set())

    def fail(*_args: object, **_options: object) -> None:
        raise KeyError("the prompt")

    monkeypatch.setattr(f"spanledger.wire.{part}", fail)
    sent = provider.answers[0].pieces
    with httpx2.Client() as client, caplog.at_level(logging.WARNING, "spanledger"):
        for _ in range(3):
            assert client.post(provider.url + case["path"], json=case["request"]).content == b"".join(sent)
    assert len(spans.snapshot()) == (0 if part.endswith(("recognises", "provider_of")) else 3)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        f"spanledger could not record a span (KeyError at test_failures.py:{fail.__code__.co_firstlineno + 1})"
    ]


@pytest.mark.parametrize(
    ("url", "name", "told"),
    [
        ("https://api.openai.com/v1/chat/completions", "chat_plain", ("openai", 443)),
        ("https://eu.api.openai.com/v1/chat/completions", "chat_plain", ("openai", 443)),
        ("https://mine.openai.azure.com/openai/v1/responses", "responses_plain", ("azure.ai.openai", 443)),
        ("https://openrouter.ai/api/v1/chat/completions", "chat_plain", ("openrouter", 443)),
        ("https://api.groq.com/openai/v1/chat/completions", "chat_plain", ("groq", 443)),
        ("https://api.deepseek.com/chat/completions", "chat_plain", ("deepseek", 443)),
        ("https://api.mistral.ai/v1/chat/completions", "chat_plain", ("mistral_ai", 443)),
        ("https://api.together.xyz/v1/chat/completions", "chat_plain", ("together", 443)),
        ("https://x.services.ai.azure.com/models/chat/completions", "chat_plain", ("azure.ai.inference", 443)),
        ("https://api.x.ai/v1/messages", "messages_plain", ("x_ai", 443)),
        ("https://api.mistral.ai/v1/embeddings", "embeddings_plain", ("mistral_ai", 443)),
        ("http://gateway.local:4000/v1/messages", "messages_plain", ("anthropic", 4000)),
        ("http://llm/v1/chat/completions", "chat_plain", ("openai", 80)),
        ("http://llm:11434/v1/chat/completions", "chat_plain", ("ollama", 11434)),
        ("https://llm/openai/deployments/mine/chat/completions", "chat_plain", ("azure.ai.openai", 443)),
        ("https://vllm.elb.amazonaws.com/v1/chat/completions", "chat_plain", ("openai", 443)),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse", "converse_plain", ("aws.bedrock", 443)),
        (
            "https://us-east1-aiplatform.googleapis.com/v1/models/x:generateContent",
            "gemini_plain",
            ("gcp.vertex_ai", 443),
        ),
        ("http://notapi.openai.com.evil.test/v1/chat/completions", "chat_plain", ("openai", 80)),
    ],
)
@MODULES
def test_the_host_tells_the_provider(module, url, name, told, spans, recorded_case):
    """Known hosts, and those below them, are named; for any other the wire format is."""
    case = recorded_case(name)
    transport = module.MockTransport(lambda _request: module.Response(200, json=case["answer"]))
    with module.Client(transport=transport) as client:
        client.post(url, json=case["request"])
    attributes = spans.snapshot()[0]["attributes"]
    assert (attributes["gen_ai.provider.name"], attributes["server.port"]) == told
    assert attributes["server.address"] == urlsplit(url).hostname


@pytest.mark.parametrize(
    ("host", "provider_name"),
    [("llm.corp", "openai"), ("eu.llm.corp", "openai"), ("api.x.ai", "mine"), ("other.corp", "openai"), ("gw", "groq")],
)
def test_a_setting_names_the_provider_of_a_host(host, provider_name, spans, recorded_case, monkeypatch):
    """Hosts of one's own, and those below them, are the provider that the setting says, before all else."""
    monkeypatch.setenv("SPANLEDGER_PROVIDER_HOSTS", "LLM.corp = openai, api.x.ai=mine,gw=groq,broken")
    case = recorded_case("chat_plain")
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=case["answer"]))
    with httpx2.Client(transport=transport) as client:
        client.post(f"https://{host}/v1/chat/completions", json=case["request"])
    assert spans.snapshot()[0]["attributes"]["gen_ai.provider.name"] == provider_name


def test_a_deployment_in_the_path_is_the_model(spans, recorded_case):
    """Azure's requests need no model in their body."""
    case = recorded_case("chat_plain")
    request = {field: value for field, value in case["request"].items() if field != "model"}
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=case["answer"]))
    with httpx2.Client(transport=transport) as client:
        client.post("https://x.openai.azure.com/openai/deployments/mine/chat/completions", json=request)
    assert spans.snapshot()[0]["attributes"]["gen_ai.request.model"] == "mine"
