"""What the journal reports, beyond ``QueueFullError`` where a bound is reached.

::

    RetryableError
    └── JournalUnavailableError   the file cannot be read or written now
    PermanentError
    └── JournalDamagedError       the file is no journal, or a broken one
"""

from __future__ import annotations

from spanledger_collector.errors import PermanentError, RetryableError


class JournalUnavailableError(RetryableError):
    """The journal, or the folder of dead letters, cannot be read or written now."""


class JournalDamagedError(PermanentError):
    """The file is not a journal any more; the message names it and the way out."""
