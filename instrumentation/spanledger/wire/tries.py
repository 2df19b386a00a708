"""A call that is sent more than once below the client's face: by a transport or a middleware that tries again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from opentelemetry.context import attach, detach, get_current, get_value

from spanledger.guard import guarded
from spanledger.wire.attempt import FOLLOWED, Attempt, Current, Request, begin


class Tries:
    """The attempts of one call of a client, of which one goes on at a time."""

    __slots__ = ("_context", "_error", "_head", "_request", "_sent", "attempt")

    @classmethod
    def current_call(cls) -> Self | None:
        """Give the call that is being made here, if a client of this kind makes it."""
        followed_by = get_value(FOLLOWED)
        return followed_by if isinstance(followed_by, cls) else None

    def __init__(self, attempt: Attempt, request: Request) -> None:
        self.attempt = attempt
        """The last, or the only one."""
        self._request = request
        self._context = get_current()
        self._sent: tuple[object, ...] = ()
        self._error: BaseException | None = None
        self._head: tuple[int, Mapping[str, str]] | None = None

    def current(self) -> Current:
        """Make the attempt's span the current one for a block, in which the call is sent."""
        return Current(self.attempt.context(self))

    @guarded
    def send(self, client_request: object) -> None:
        """Begin another attempt where ``client_request`` was sent before; the hop of a redirect is none."""
        if not any(sent is client_request for sent in self._sent):
            self._sent = (*self._sent, client_request)
            return
        if self._head is not None:
            self.attempt.answered(*self._head)
        self.attempt.end(self._error)
        self._error = self._head = None
        token = attach(self._context)
        try:
            again = begin(self._request)
        finally:
            detach(token)
        if again is not None:
            self.attempt = again
            # It holds until the call ends, which gives back the context from before the first attempt.
            attach(again.context(self))

    def failed(self, error: BaseException) -> None:
        """Note what an attempt has failed with, in case that it is not the last."""
        self._error = error

    def headed(self, status_code: int, headers: Mapping[str, str]) -> None:
        """Note the head of an answer whose body nobody reads along yet, in case that it is not the last."""
        self._head = (status_code, headers)
