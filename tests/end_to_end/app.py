"""An app as a user would write it: the one import first, then the SDKs. Run as a process by the tests here."""

import spanledger.auto  # noqa: I001 - before the SDKs, as the README says

import asyncio
import json
import sys
from contextlib import suppress

import anthropic
import openai
import spanledger

from spanledger_collector.demo import StandInProvider


@spanledger.tool
def lookup(city: str) -> str:
    """A tool that fails for one city."""
    if city == "Atlantis":
        raise LookupError(city)
    return "21C"


def say(directive: str) -> list[dict[str, str]]:
    """A user's message; the directive tells the stand-in provider what to answer and to bill."""
    return [{"role": "user", "content": f"<<{directive}>> hi"}]


async def asynchronous(provider: StandInProvider) -> None:
    """The same SDKs' async clients, one plain and one streamed call."""
    async with openai.AsyncOpenAI(base_url=provider.openai_base_url, api_key="k") as client:
        await client.chat.completions.create(model="gpt-4.1-mini", messages=say("in=310;out=31"))
    async with (
        anthropic.AsyncAnthropic(base_url=provider.anthropic_base_url, api_key="k") as client,
        client.messages.stream(
            model="claude-sonnet-5", max_tokens=64, messages=say("in=520;out=52;cached=100")
        ) as stream,
    ):
        await stream.get_final_message()


def main() -> None:
    """Call both vendors in every form, for two tasks; print the provider's own ledger."""
    with StandInProvider() as provider:
        with spanledger.task("T-42", agent="coder", team="platform", user="u-17"):
            with openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as client:
                client.chat.completions.create(model="gpt-4.1", messages=say("in=1200;out=80;cached=512"))
                stream = client.chat.completions.create(
                    model="gpt-4.1",
                    messages=say("in=1500;out=210;cached=1024"),
                    stream=True,
                    stream_options={"include_usage": True},
                )
                list(stream)
                client.responses.create(model="o4-mini", input="<<in=900;out=120;reason=40>> hi")
                client.embeddings.create(model="text-embedding-3-small", input="<<in=48>> hi")
                client.chat.completions.create(model="gpt-4.1", messages=say("in=640;out=64;fail=500*1"))
            lookup("Paris")
            with suppress(LookupError):
                lookup("Atlantis")
        with spanledger.task("T-43", agent="reviewer", team="platform", user="u-18"):
            with anthropic.Anthropic(base_url=provider.anthropic_base_url, api_key="k") as client:
                cached = say("in=5000;out=300;cached=3000;write=1000;write_1h=400")
                client.messages.create(model="claude-sonnet-5", max_tokens=64, messages=cached)
            asyncio.run(asynchronous(provider))
        calls = [{name: getattr(call, name) for name in call.__dataclass_fields__} for call in provider.calls]
    json.dump(calls, sys.stdout)


if __name__ == "__main__":
    main()
