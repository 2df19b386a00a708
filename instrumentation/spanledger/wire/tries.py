"""A call that is sent more than once below the client's face: by a transport or a middleware that tries again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import attach, create_key, detach, get_current, set_value

from spanledger.guard import guarded
from spanledger.wire.attempt import Attempt, Current, Request, begin


class Tries:
    """The attempts of one call of a client, of which one goes on at a time."""

    key = create_key("spanledger-tries")
    """Where what sends a request finds the call that it belongs to; a client that sends by another has its own."""

    def __init__(self, attempt: Attempt, request: Request) -> None:
        self.attempt = attempt
        """The last, or the only one."""
        self._request = request
        self._context = get_current()
        self._sent: list[Any] = []
        self._error: BaseException | None = None
        self._head: tuple[int, Mapping[str, str]] | None = None

    def current(self) -> Current:
        """Make the attempt's span the current one for a block, in which the call is sent."""
        return Current(set_value(self.key, self, self.attempt.context()))

    @guarded
    def send(self, client_request: object) -> None:
        """Begin another attempt where ``client_request`` was sent before; the hop of a redirect is none."""
        if not any(sent is client_request for sent in self._sent):
            self._sent.append(client_request)
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
            attach(set_value(self.key, self, again.context()))

    def failed(self, error: BaseException) -> None:
        """Note what an attempt has failed with, in case that it is not the last."""
        self._error = error

    def headed(self, status_code: int, headers: Mapping[str, str]) -> None:
        """Note the head of an answer whose body nobody reads along yet, in case that it is not the last."""
        self._head = (status_code, headers)
