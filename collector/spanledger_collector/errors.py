"""The two kinds of failure: try again, or the same input will fail again.

::

    SpanledgerError
    ├── RetryableError      the same input may succeed later: a store that is down, a full queue
    │   └── StoreUnavailableError
    └── PermanentError      the same input fails again: it names the thing and the way out
        ├── BadInputError       bytes that are no OTLP, a file that cannot be read
        ├── UnknownQueryError   no query of that name
        ├── BadParameterError   a parameter that the query does not take, or a value of the wrong type
        └── DataDirectoryHeldError   another process holds the data directory

Errors of other libraries are translated once, at the edge that met them (``export/`` for the store, ``receive/``
for the wire). Messages never carry prompts, completions or secrets.
"""

from __future__ import annotations


class SpanledgerError(Exception):
    """Anything that spanledger itself reports to a user."""


class RetryableError(SpanledgerError):
    """The same input may succeed later."""


class StoreUnavailableError(RetryableError):
    """The store did not answer, or not now; ``code`` is the number of its reason, if it gave one."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class PermanentError(SpanledgerError):
    """The same input will fail again; the message says what is wrong and what to do."""


class BadInputError(PermanentError):
    """Bytes that are not what they were said to be."""


class UnknownQueryError(PermanentError):
    """No query has that name."""


class BadParameterError(PermanentError):
    """A parameter that a query does not take, or a value that does not fit it."""


class DataDirectoryHeldError(PermanentError):
    """Another process holds the data directory."""
