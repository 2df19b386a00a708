"""How another back end says no.

::

    RetryableError
    └── TargetNotNowError        it is away, or asks for patience; or it refuses whoever sends, which is for us to mend
    PermanentError
    └── BadInputError
        └── TargetRefusedError   it will never take this request
            ├── TargetTooSmallError   but it may take parts of it
            └── SignalNotTakenError   nor any other of this signal

None quotes what the target answered beside its code: an answer may quote the request.
"""

from __future__ import annotations

from spanledger_collector.errors import BadInputError, RetryableError


class TargetNotNowError(RetryableError):
    """The same may be sent again, not before ``asked_pause_s`` seconds from now."""

    def __init__(self, message: str, asked_pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.asked_pause_s = asked_pause_s


class TargetRefusedError(BadInputError):
    """The target will not take this request, however often it is sent."""


class TargetTooSmallError(TargetRefusedError):
    """The request is larger than the target takes."""


class SignalNotTakenError(TargetRefusedError):
    """The target has no entrance for requests of this signal."""
