"""How each tool runtime is made to run a function as a tool, with the runtime's own public means."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

Function = Callable[..., Any]


@dataclass(frozen=True)
class Driver:
    """One way of one runtime to execute a tool; skipped where the runtime is not installed."""

    name: str
    module: str
    run: Callable[[Function, dict[str, Any], str], Awaitable[str]]
    """Takes a function, its arguments and a call id; gives the result's text as the model would get it."""
    knows_call_id: bool = False
    raises: bool = True
    """Whether the function's exception comes out; else the runtime tells the model of it."""
    takes_async: bool = False
    """Whether it runs coroutine functions, too, and can be cancelled within one."""
    shares_context: bool = True
    """Whether the function runs in the context of the caller."""


async def mcp_client(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A client and a server in one process."""
    from mcp.client import Client
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("test")
    server.add_tool(function)
    async with Client(server) as client:
        result = await client.call_tool(function.__name__, arguments)
    return result.content[0].text


async def langchain_invoke(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A call as LangGraph's tool node makes it."""
    from langchain_core.tools import StructuredTool

    call = {"name": function.__name__, "args": arguments, "id": call_id, "type": "tool_call"}
    return StructuredTool.from_function(function).invoke(call).content


async def langchain_ainvoke(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """The same, async: the function itself runs in a thread."""
    from langchain_core.tools import StructuredTool

    call = {"name": function.__name__, "args": arguments, "id": call_id, "type": "tool_call"}
    given = {"coroutine" if inspect.iscoroutinefunction(function) else "func": function}
    return (await StructuredTool.from_function(**given).ainvoke(call)).content


async def openai_agents_run(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """An agent whose model asks for the tool once, and says what it got."""
    import json

    from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    class Scripted(Model):
        async def get_response(self, system_instructions, input, *args, **kwargs):
            got = [item["output"] for item in input if item.get("type") == "function_call_output"]
            if got:
                said = ResponseOutputText(text=got[0], type="output_text", annotations=[])
                answer = ResponseOutputMessage(
                    id="m", content=[said], role="assistant", status="completed", type="message"
                )
            else:
                answer = ResponseFunctionToolCall(
                    call_id=call_id, name=function.__name__, arguments=json.dumps(arguments), type="function_call"
                )
            return ModelResponse(output=[answer], usage=Usage(), response_id=None)

        def stream_response(self, *args, **kwargs):
            raise NotImplementedError

    agent = Agent(name="test", model=Scripted(), tools=[function_tool(function)])
    result = await Runner.run(agent, "go", run_config=RunConfig(tracing_disabled=True))
    return result.final_output


async def pydantic_ai_run(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """An agent whose model asks for the tool once, and says what it got."""
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def model(messages, info):
        got = [part.content for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if got:
            return ModelResponse(parts=[TextPart(str(got[0]))])
        return ModelResponse(parts=[ToolCallPart(function.__name__, arguments, tool_call_id=call_id)])

    agent = Agent(FunctionModel(model), tools=[function])
    return (await agent.run("go")).output


async def crewai_run(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A tool as a model calls it natively."""
    from crewai.tools import tool

    return str(tool(function.__name__)(function).run(**arguments))


async def crewai_structured(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A tool as the ReAct loop calls it."""
    from crewai.tools.structured_tool import CrewStructuredTool

    return str(CrewStructuredTool.from_function(function).invoke(arguments))


async def llama_index_call(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A function tool."""
    from llama_index.core.tools import FunctionTool

    return FunctionTool.from_defaults(function).call(**arguments).content


async def llama_index_acall(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """The same, async."""
    from llama_index.core.tools import FunctionTool

    given = {"async_fn" if inspect.iscoroutinefunction(function) else "fn": function}
    return (await FunctionTool.from_defaults(**given).acall(**arguments)).content


async def smolagents_call(function: Function, arguments: dict[str, Any], call_id: str) -> str:
    """A tool as agents call it, by name or from code."""
    from smolagents import Tool

    class Wrapping(Tool):
        name = function.__name__
        description = "A tool."
        inputs = {name: {"type": "any", "description": name} for name in arguments}  # noqa: RUF012
        output_type = "any"
        skip_forward_signature_validation = True

        def forward(self, **given):
            return function(**given)

    return str(Wrapping()(**arguments, sanitize_inputs_outputs=True))


DRIVERS = (
    Driver("mcp", "mcp.server.mcpserver", mcp_client, raises=False, takes_async=True, shares_context=False),
    Driver("langchain", "langchain_core", langchain_invoke, knows_call_id=True),
    Driver("langchain_async", "langchain_core", langchain_ainvoke, knows_call_id=True, takes_async=True),
    Driver("openai_agents", "agents", openai_agents_run, knows_call_id=True, raises=False, takes_async=True),
    Driver("pydantic_ai", "pydantic_ai", pydantic_ai_run, knows_call_id=True, takes_async=True),
    Driver("crewai", "crewai", crewai_run),
    Driver("crewai_structured", "crewai", crewai_structured),
    Driver("llama_index", "llama_index.core", llama_index_call),
    Driver("llama_index_async", "llama_index.core", llama_index_acall, takes_async=True),
    Driver("smolagents", "smolagents", smolagents_call),
)


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each way of each runtime."""
    pytest.importorskip(request.param.module)
    return request.param


@pytest.fixture
def add() -> Function:
    """A function that every runtime takes for a tool."""

    def add(a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: one number
            b: another
        """
        return a + b

    return add
