"""The SDKs against a provider that keeps a ledger of its own: every attempt, every token, as they were billed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from spanledger import uninstrument
from spanledger_collector.demo import StandInProvider

TELL = "<<in=1200;out=80;cached=512;reason=30>>"
TELL_FAILED_ONCE = "<<in=1200;out=80;fail=503*1>>"
TELL_FAILED = "<<fail=400>>"

Call = Callable[[str, str, bool], None]
AsyncCall = Callable[[str, str, bool], Coroutine[Any, Any, None]]


def said(prompt: str) -> list[dict[str, Any]]:
    """One user message, as most APIs take it."""
    return [{"role": "user", "content": prompt}]


def usage_wanted(stream: bool) -> dict[str, Any]:
    """What asks OpenAI for the usage of a stream."""
    return {"stream": True, "stream_options": {"include_usage": True}} if stream else {}


def drain(answer: Any, stream: bool) -> None:
    """Read a stream to its end."""
    if stream:
        assert list(answer)


async def drain_async(answer: AsyncIterator[Any], stream: bool) -> None:
    """Read an async stream to its end."""
    if stream:
        assert [event async for event in answer]


def openai_chat(url: str, prompt: str, stream: bool) -> None:
    """Chat Completions of openai."""
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        drain(client.chat.completions.create(model="gpt-4o", messages=said(prompt), **usage_wanted(stream)), stream)


async def openai_chat_async(url: str, prompt: str, stream: bool) -> None:
    """Chat Completions of openai, async."""
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=said(prompt), **usage_wanted(stream))
        await drain_async(answer, stream)


def openai_responses(url: str, prompt: str, stream: bool) -> None:
    """Responses of openai."""
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        drain(client.responses.create(model="gpt-4o", input=prompt, stream=stream), stream)


async def openai_responses_async(url: str, prompt: str, stream: bool) -> None:
    """Responses of openai, async."""
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
        await drain_async(await client.responses.create(model="gpt-4o", input=prompt, stream=stream), stream)


def anthropic_messages(url: str, prompt: str, stream: bool) -> None:
    """Messages of anthropic."""
    anthropic = pytest.importorskip("anthropic")
    request = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": said(prompt), "stream": stream}
    with anthropic.Anthropic(base_url=url, api_key="any") as client:
        drain(client.messages.create(**request), stream)


async def anthropic_messages_async(url: str, prompt: str, stream: bool) -> None:
    """Messages of anthropic, async."""
    anthropic = pytest.importorskip("anthropic")
    request = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": said(prompt), "stream": stream}
    async with anthropic.AsyncAnthropic(base_url=url, api_key="any") as client:
        await drain_async(await client.messages.create(**request), stream)


def genai_client(url: str) -> Any:
    """A client of google-genai that tries again at once."""
    pytest.importorskip("google.genai")
    from google import genai

    retries = {"attempts": 3, "initial_delay": 0.01, "max_delay": 0.01, "jitter": 0.0}
    return genai.Client(api_key="any", http_options={"base_url": url, "retry_options": retries})


def genai_content(url: str, prompt: str, stream: bool) -> None:
    """Gemini by google-genai."""
    client = genai_client(url)
    call = client.models.generate_content_stream if stream else client.models.generate_content
    drain(call(model="gemini-2.5-flash", contents=prompt), stream)


async def genai_content_async(url: str, prompt: str, stream: bool) -> None:
    """Gemini by google-genai, async: by aiohttp where that is installed, else by httpx."""
    async with genai_client(url).aio as client:
        call = client.models.generate_content_stream if stream else client.models.generate_content
        await drain_async(await call(model="gemini-2.5-flash", contents=prompt), stream)


def mistral_client(url: str) -> Any:
    """A client of mistralai that tries again at once."""
    pytest.importorskip("mistralai")
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    retries = RetryConfig("backoff", BackoffStrategy(1, 1, 1.0, 2000), retry_connection_errors=True)
    return Mistral(api_key="any", server_url=url, retry_config=retries)


def mistral_chat(url: str, prompt: str, stream: bool) -> None:
    """Chat Completions by mistralai."""
    with mistral_client(url) as client:
        call = client.chat.stream if stream else client.chat.complete
        drain(call(model="mistral-large-latest", messages=said(prompt)), stream)


async def mistral_chat_async(url: str, prompt: str, stream: bool) -> None:
    """Chat Completions by mistralai, async."""
    async with mistral_client(url) as client:
        call = client.chat.stream_async if stream else client.chat.complete_async
        await drain_async(await call(model="mistral-large-latest", messages=said(prompt)), stream)


def litellm_options(url: str, prompt: str, stream: bool) -> dict[str, Any]:
    """What litellm's two calls take: Anthropic's format, which it speaks itself."""
    options = {"model": "anthropic/claude-haiku-4-5", "api_base": url, "api_key": "any", "messages": said(prompt)}
    return {**options, "stream": stream, "num_retries": 2, "max_tokens": 99}


def litellm_completion(url: str, prompt: str, stream: bool) -> None:
    """litellm, by its own HTTP client."""
    litellm = pytest.importorskip("litellm")
    drain(litellm.completion(**litellm_options(url, prompt, stream)), stream)


async def litellm_completion_async(url: str, prompt: str, stream: bool) -> None:
    """litellm, async: an httpx client whose transport is aiohttp."""
    litellm = pytest.importorskip("litellm")
    await drain_async(await litellm.acompletion(**litellm_options(url, prompt, stream)), stream)


def langchain_model(url: str) -> Any:
    """A chat model of LangChain's package for OpenAI."""
    return pytest.importorskip("langchain_openai").ChatOpenAI(
        model="gpt-4o", base_url=f"{url}/v1", api_key="any", stream_usage=True
    )


def langchain_chat(url: str, prompt: str, stream: bool) -> None:
    """A chat model of LangChain."""
    model = langchain_model(url)
    drain((model.stream if stream else model.invoke)(prompt), stream)


async def langchain_chat_async(url: str, prompt: str, stream: bool) -> None:
    """A chat model of LangChain, async."""
    model = langchain_model(url)
    await drain_async(model.astream(prompt) if stream else await model.ainvoke(prompt), stream)


async def openai_agents_run(url: str, prompt: str, stream: bool) -> None:
    """An agent of the OpenAI Agents SDK, by Responses."""
    agents = pytest.importorskip("agents")
    import openai

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
        agent = agents.Agent(name="test", model=agents.OpenAIResponsesModel("gpt-4o", openai_client=client))
        untraced = agents.RunConfig(tracing_disabled=True)
        if stream:
            await drain_async(agents.Runner.run_streamed(agent, prompt, run_config=untraced).stream_events(), stream)
        else:
            await agents.Runner.run(agent, prompt, run_config=untraced)


def pydantic_ai_agent(url: str) -> Any:
    """An agent of pydantic-ai, by Chat Completions."""
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return pydantic_ai.Agent(OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="any")))


async def pydantic_ai_run(url: str, prompt: str, stream: bool) -> None:
    """An agent of pydantic-ai."""
    agent = pydantic_ai_agent(url)
    if not stream:
        await agent.run(prompt)
        return
    async with agent.run_stream(prompt) as result:
        await drain_async(result.stream_text(), stream)


def bedrock_client(url: str) -> Any:
    """A client of boto3 for Bedrock."""
    boto3 = pytest.importorskip("boto3")
    secrets = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client("bedrock-runtime", endpoint_url=url, region_name="us-east-1", **secrets)


BEDROCK_MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def bedrock_converse(url: str, prompt: str, stream: bool) -> None:
    """Converse and ConverseStream by boto3."""
    client = bedrock_client(url)
    call = client.converse_stream if stream else client.converse
    answer = call(modelId=BEDROCK_MODEL, messages=[{"role": "user", "content": [{"text": prompt}]}])
    drain(answer.get("stream"), stream)


def bedrock_invoke(url: str, prompt: str, stream: bool) -> None:
    """InvokeModel for Anthropic's models by boto3."""
    client = bedrock_client(url)
    call = client.invoke_model_with_response_stream if stream else client.invoke_model
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": said(prompt)}
    answer = call(modelId=BEDROCK_MODEL, body=json.dumps(body))
    assert list(answer["body"]) if stream else answer["body"].read()


def bedrock_anthropic(url: str, prompt: str, stream: bool) -> None:
    """InvokeModel by anthropic's own client for Bedrock."""
    anthropic = pytest.importorskip("anthropic")
    pytest.importorskip("boto3")
    secrets = {"aws_access_key": "any", "aws_secret_key": "any", "aws_region": "us-east-1"}
    request = {"model": BEDROCK_MODEL, "max_tokens": 99, "messages": said(prompt), "stream": stream}
    with anthropic.AnthropicBedrock(base_url=url, **secrets) as client:
        drain(client.messages.create(**request), stream)


SYNC: tuple[Call, ...] = (
    openai_chat,
    openai_responses,
    anthropic_messages,
    genai_content,
    mistral_chat,
    litellm_completion,
    langchain_chat,
    bedrock_converse,
    bedrock_invoke,
    bedrock_anthropic,
)
ASYNC: tuple[AsyncCall, ...] = (
    openai_chat_async,
    openai_responses_async,
    anthropic_messages_async,
    genai_content_async,
    mistral_chat_async,
    litellm_completion_async,
    langchain_chat_async,
    openai_agents_run,
    pydantic_ai_run,
)
CALLS = pytest.mark.parametrize("call", [*SYNC, *ASYNC], ids=lambda call: call.__name__)
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInProvider]:
    """A stand-in that knows what it billed; nothing in the environment sends a call elsewhere."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with StandInProvider() as started:
        yield started


async def make(call: Call | AsyncCall, url: str, prompt: str, stream: bool) -> None:
    """Make a call of either kind."""
    made = call(url, prompt, stream)
    if made is not None:
        await made


def billed(stand_in: StandInProvider) -> list[tuple[Any, ...]]:
    """What the provider says of each attempt: whether it streams, its status, id and tokens."""
    return [
        (
            call.request_model,
            call.stream,
            call.http_status,
            call.response_id if call.http_status == 200 else None,
            *((call.input_tokens, call.cache_read_tokens, call.output_tokens) if call.usage_reported else ()),
        )
        for call in stand_in.calls
    ]


def recorded(spans: Any) -> list[tuple[Any, ...]]:
    """What our spans say of the same."""
    found = []
    for span in sorted(spans.snapshot(), key=lambda span: span["start_s"]):
        attributes = span["attributes"]
        ok = attributes["http.response.status_code"] == 200
        head = (
            attributes["gen_ai.request.model"],
            attributes.get("gen_ai.request.stream", False),
            attributes["http.response.status_code"],
            attributes["gen_ai.response.id"] if ok else None,
        )
        usage = [attributes.get(f"gen_ai.usage.{part}_tokens") for part in ("input", "cache_read.input", "output")]
        found.append((*head, *(tokens or 0 for tokens in usage if any(usage))))
    return found


@CALLS
@STREAM
async def test_ours_is_the_providers_ledger(call, stream, stand_in, spans):
    """A call that goes well is one span with the provider's own counts, whatever stands between."""
    await make(call, stand_in.base_url, TELL, stream)
    assert len(stand_in.calls) == 1
    assert recorded(spans) == billed(stand_in)
    assert spans.snapshot()[0]["status"] == "UNSET"


@CALLS
@STREAM
async def test_every_attempt_of_a_retried_call_is_there(call, stream, stand_in, spans):
    """A failure that the SDK tries again is two spans of one logical call, of which one has tokens."""
    await make(call, stand_in.base_url, TELL_FAILED_ONCE, stream)
    assert [attempt.http_status for attempt in stand_in.calls] == [503, 200]
    assert recorded(spans) == billed(stand_in)
    first, second = (span["attributes"] for span in sorted(spans.snapshot(), key=lambda span: span["start_s"]))
    assert (first.get("http.request.resend_count"), second["http.request.resend_count"]) == (None, 1)
    assert first["spanledger.logical_call.id"] == second["spanledger.logical_call.id"]


@CALLS
@STREAM
async def test_a_call_that_fails_raises_as_without_us(call, stream, stand_in, spans):
    """The caller gets the SDK's own exception, the same as without us; each attempt is a failed span."""
    with pytest.raises(Exception, match=r".") as with_us:
        await make(call, stand_in.base_url, TELL_FAILED, stream)
    attempts = len(stand_in.calls)
    assert recorded(spans) == billed(stand_in)
    assert {span["status"] for span in spans.snapshot()} == {"ERROR"}
    uninstrument()
    with pytest.raises(with_us.type):
        await make(call, stand_in.base_url, TELL_FAILED, stream)
    assert len(stand_in.calls) == 2 * attempts
    assert len(spans.finished()) == attempts


@pytest.mark.parametrize("call", ASYNC, ids=lambda call: call.__name__)
async def test_a_cancelled_call_ends_its_span(call, provider, spans, monkeypatch):
    """Cancelled while it waits for the provider, a call is one failed span, and the cancellation is the caller's."""
    gate = threading.Event()
    provider.will_stream([])
    provider.answers[0].waits_for = gate
    task = asyncio.create_task(call(provider.url, "anything", True))
    # The provider is in another thread; a call whose SDK is not installed is done at once.
    await asyncio.wait(
        [task, asyncio.create_task(asyncio.to_thread(provider.asked.wait, 10))], return_when="FIRST_COMPLETED"
    )
    if task.done():
        provider.asked.set()
        await task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    (span,) = spans.snapshot()
    assert (span["status"], span["attributes"]["error.type"]) == ("ERROR", "asyncio.exceptions.CancelledError")
