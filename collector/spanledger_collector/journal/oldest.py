"""What the consumer takes next, remembered while it is written, so that it need not be read from the disk again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from spanledger_collector.journal.entry import Entry

_MOST_BYTES = 16 * 1024 * 1024
"""Some hundred milliseconds of a heavy load. While the store does not keep up, what waits is on disk alone."""
_BYTES_OF_AN_ENTRY = 500
"""What the objects around a body take."""


class Oldest:
    """The oldest entries of a journal, up to a bound: once some do not fit, no more are taken until all have left.

    It holds none, or begins with the very oldest and leaves none out between two.
    """

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self._size_bytes = 0

    def append(self, entries: Sequence[Entry], waiting: int) -> None:
        """Take what was written, if all ``waiting`` entries of the journal are then here."""
        size_bytes = sum(map(_size_of, entries))
        if len(self.entries) + len(entries) == waiting and self._size_bytes + size_bytes <= _MOST_BYTES:
            self.entries.extend(entries)
            self._size_bytes += size_bytes

    def remove(self, first: int, last: int) -> None:
        """Forget what has left the journal: the entries with these numbers and all between."""
        if self.entries and first > self.entries[0].sequence:
            last = self.entries[-1].sequence  # they were not the oldest, and what is left does not begin with them
        while self.entries and self.entries[0].sequence <= last:
            self._size_bytes -= _size_of(self.entries.popleft())


def _size_of(entry: Entry) -> int:
    return len(entry.request.body) + _BYTES_OF_AN_ENTRY
