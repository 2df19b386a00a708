"""``@tool``: a tool call becomes a span with its outcome, and a hash that shows repetitions."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast, overload

from opentelemetry.trace import Span, SpanKind, use_span

from spanledger.attributes import (
    OPERATION_NAME,
    TOOL_ARGUMENTS_HASH,
    TOOL_CALL_ARGUMENTS,
    TOOL_CALL_ID,
    TOOL_NAME,
    TOOL_TYPE,
)
from spanledger.capture import content_is_captured
from spanledger.guard import guarded
from spanledger.tracing import end_span, start_span

F = TypeVar("F", bound=Callable[..., Any])

HASH_DIGITS = 16


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, name: str | None = None, call_id: str = "tool_call_id") -> Callable[[F], F]: ...
def tool(
    function: F | None = None, /, *, name: str | None = None, call_id: str = "tool_call_id"
) -> F | Callable[[F], F]:
    """Make each call of a function an ``execute_tool`` span.

    Args:
        function: a function, coroutine function, generator function or async generator function; its results
        and
            exceptions pass unchanged. The span of a generator lasts as long as its iteration.
        name: the tool's name; the function's own by default.
        call_id: the name of the parameter, where the function has it, that carries the model's tool call id.
        It goes
            on the span and stays out of the hash.

    The span carries ``spanledger.tool.arguments.hash``, equal for equal arguments however they are passed,
    and the arguments themselves only when content is captured
    (``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``).
    """

    def decorate(function: F) -> F:
        return _decorate(function, name or function.__name__, call_id)

    return decorate if function is None else decorate(function)


def _decorate(function: F, name: str, call_id: str) -> F:
    signature = inspect.signature(function)

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span:
        described = _describe(signature, call_id, args, kwargs) or {}
        attributes = {OPERATION_NAME: "execute_tool", TOOL_NAME: name, TOOL_TYPE: "function", **described}
        return start_span(f"execute_tool {name}", SpanKind.INTERNAL, attributes)

    if inspect.iscoroutinefunction(function):

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with _running(start(args, kwargs)):
                return await function(*args, **kwargs)

        call: Callable[..., Any] = call_async
    elif inspect.isasyncgenfunction(function):

        async def iterate_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with _iterating(start(args, kwargs)):
                async for item in function(*args, **kwargs):
                    yield item

        call = iterate_async
    elif inspect.isgeneratorfunction(function):

        def iterate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with _iterating(start(args, kwargs)):
                return (yield from function(*args, **kwargs))

        call = iterate
    else:

        def call_sync(*args: Any, **kwargs: Any) -> Any:
            with _running(start(args, kwargs)):
                return function(*args, **kwargs)

        call = call_sync
    return cast(F, functools.wraps(function)(call))


@contextmanager
def _running(span: Span) -> Iterator[None]:
    with _iterating(span), use_span(span, record_exception=False, set_status_on_exception=False):
        yield


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
def _describe(
    signature: inspect.Signature, call_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, str]:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    if next(iter(arguments), None) in ("self", "cls"):
        del arguments[next(iter(arguments))]
    given_id = arguments.pop(call_id, None)
    text = canonical_json(arguments)
    described = {TOOL_ARGUMENTS_HASH: hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]}
    if given_id is not None:
        described[TOOL_CALL_ID] = str(given_id)
    if content_is_captured():
        described[TOOL_CALL_ARGUMENTS] = text
    return described


def canonical_json(value: Any) -> str:
    """Give one text for equal values: sorted keys, no spaces, no addresses in the ``repr`` of objects."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_stable)


def _stable(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(canonical_json(item) for item in value)
    kind: Any = type(value)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__repr__ is object.__repr__ else repr(value)
