"""What the entrances refuse, beyond the two kinds of ``spanledger_collector.errors``.

::

    RetryableError
    └── QueueFullError              the client should slow down
    PermanentError
    ├── AddressUnavailableError     host and port cannot be listened on
    └── BadInputError
        ├── TooLargeError           over the limit, before or after decompression
        ├── TooManyItemsError       more spans than its bytes can hold
        ├── TooDeepError            values nested deeper than protobuf reads
        └── UnsupportedMediaError   a content type or encoding that no entrance reads
"""

from __future__ import annotations

from spanledger_collector.errors import BadInputError, PermanentError, RetryableError

DEFAULT_RETRY_AFTER_S = 1.0


class QueueFullError(RetryableError):
    """More is waiting for the store than is allowed; the client should slow down and send the same again."""

    def __init__(self, message: str, retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AddressUnavailableError(PermanentError):
    """A host and port cannot be listened on; the message names both and the flag that changes them."""


class TooLargeError(BadInputError):
    """A request over the limit; in smaller parts it would pass."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"a request larger than the limit of {max_bytes} bytes; smaller batches pass")


class TooManyItemsError(BadInputError):
    """A request of items with nothing in them."""

    def __init__(self, size_bytes: int, most: int) -> None:
        super().__init__(f"more than {most} spans, records or metrics in {size_bytes} bytes: most have nothing in them")


class TooDeepError(BadInputError):
    """Values in values, deeper than protobuf's limit of 100 messages."""


class UnsupportedMediaError(BadInputError):
    """A content type or content encoding that the entrance does not read."""


def retry_after_s(error: RetryableError) -> float:
    """Seconds the client should wait: the error's own ``retry_after_s`` where it has one."""
    return float(getattr(error, "retry_after_s", DEFAULT_RETRY_AFTER_S))
