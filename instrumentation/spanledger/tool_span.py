"""``@tool``: a tool call becomes a span with its outcome, and a hash that shows repetitions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast, overload

from opentelemetry.trace import Span

from spanledger.execution import Execution, ToolCall, start_tool
from spanledger.guard import guarded
from spanledger.tracing import end_span

F = TypeVar("F", bound=Callable[..., Any])

RUNTIME = "spanledger.tool"


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, name: str | None = None, call_id: str = "tool_call_id") -> Callable[[F], F]: ...
def tool(
    function: F | None = None, /, *, name: str | None = None, call_id: str = "tool_call_id"
) -> F | Callable[[F], F]:
    """Make each call of a function an ``execute_tool`` span.

    Args:
        function: a function, coroutine function, generator function or async generator function; its results and
            exceptions pass unchanged. The span of a generator lasts as long as its iteration.
        name: the tool's name; the function's own by default.
        call_id: the name of the parameter, where the function has it, that carries the model's tool call id. It goes
            on the span and stays out of the hash. Without it the id is found in the conversation, where this
            process's last answers ask for the tool with these arguments.

    The span carries ``spanledger.tool.arguments.hash``, equal for equal arguments however they are passed,
    and the arguments themselves only when content is captured
    (``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``).
    """

    def decorate(function: F) -> F:
        return _decorate(function, name or function.__name__, call_id)

    return decorate if function is None else decorate(function)


def _decorate(function: F, name: str, call_id: str) -> F:
    signature = inspect.signature(function)

    def calling(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
        return _call_of(signature, name, call_id, args, kwargs) or ToolCall(name, None)

    def running(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution:
        return Execution(RUNTIME, calling(args, kwargs))

    if inspect.iscoroutinefunction(function):

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with running(args, kwargs):
                return await function(*args, **kwargs)

        call: Callable[..., Any] = call_async
    elif inspect.isasyncgenfunction(function):

        async def iterate_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with _iterating(start_tool(RUNTIME, calling(args, kwargs))):
                async for item in function(*args, **kwargs):
                    yield item

        call = iterate_async
    elif inspect.isgeneratorfunction(function):

        def iterate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with _iterating(start_tool(RUNTIME, calling(args, kwargs))):
                return (yield from function(*args, **kwargs))

        call = iterate
    else:

        def call_sync(*args: Any, **kwargs: Any) -> Any:
            with running(args, kwargs):
                return function(*args, **kwargs)

        call = call_sync
    return cast(F, functools.wraps(function)(call))


@contextmanager
def _iterating(span: Span) -> Iterator[None]:
    """Not made current: a generator's body runs in its consumer's context, which is not ours to change."""
    try:
        yield
    except GeneratorExit:
        end_span(span)
        raise
    except BaseException as error:
        end_span(span, error)
        raise
    else:
        end_span(span)


@guarded
def _call_of(
    signature: inspect.Signature, name: str, call_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ToolCall:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    if next(iter(arguments), None) in ("self", "cls"):
        del arguments[next(iter(arguments))]
    given_id = arguments.pop(call_id, None)
    return ToolCall(name, arguments, None if given_id is None else str(given_id))
