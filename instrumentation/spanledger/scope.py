"""Who the calls of a block are for: ``task()`` and ``agent()``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Any, TypeVar, cast

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from spanledger.attributes import AGENT, AGENT_NAME, OPERATION_NAME, SESSION, TASK, TEAM, USER
from spanledger.identity import with_identity
from spanledger.tracing import end_span, start_span

F = TypeVar("F", bound=Callable[..., Any])


def task(
    task_id: str,
    *,
    agent: str | None = None,
    team: str | None = None,
    user: str | None = None,
    session: str | None = None,
) -> Scope:
    """Say whom the calls within are for, and gather them in one trace.

    ::

        with spanledger.task("T-42", agent="coder", team="platform", user="u-17"):
            client.chat.completions.create(...)

    Works as ``with``, as ``async with`` and as a decorator of sync and async functions. Inside another task
    or agent, the inner value wins field by field. Every span started within carries ``spanledger.task``,
    ``.agent``, ``.team``, ``.user`` and ``.session``, spans of other instrumentors too; W3C baggage takes
    them to other processes.
    """
    identity = {TASK: task_id, AGENT: agent, TEAM: team, USER: user, SESSION: session}
    return Scope("invoke_workflow", {OPERATION_NAME: "invoke_workflow"}, identity)


def agent(name: str, *, team: str | None = None, user: str | None = None, session: str | None = None) -> Scope:
    """Say which agent makes the calls within; the same forms as :func:`task`, usually inside one."""
    attributes = {OPERATION_NAME: "invoke_agent", AGENT_NAME: str(name)}
    return Scope(f"invoke_agent {name}", attributes, {AGENT: name, TEAM: team, USER: user, SESSION: session})


class Scope:
    """A block of calls for somebody, with a span of its own; entering it gives that span.

    One object can be entered again and again, but not by two threads or tasks at the same time.
    """

    def __init__(self, name: str, attributes: dict[str, str], identity: dict[str, str | None]) -> None:
        self._name = name
        self._attributes = attributes
        self._identity = {field: str(value) for field, value in identity.items() if value is not None}
        self._entered: list[tuple[Span, Token[Context]]] = []

    def __enter__(self) -> Span:
        context = with_identity(self._identity)
        span = start_span(self._name, SpanKind.INTERNAL, self._attributes, context)
        self._entered.append((span, attach(set_span_in_context(span, context))))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        span, token = self._entered.pop()
        detach(token)
        end_span(span, error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Decorate ``function``: each call of it is a block of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast(F, call_async)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast(F, call)

    def _again(self) -> Scope:
        return Scope(self._name, self._attributes, dict(self._identity))
