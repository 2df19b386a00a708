"""What bounds the bodies that one entrance holds, whoever sends them."""

from __future__ import annotations

from spanledger_collector.receive.errors import QueueFullError


class Room:
    """How many bytes of bodies may be held together, on their way in and until they are answered."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0

    def take(self, size_bytes: int, own_bytes: int = 0) -> bool:
        """Whether there is room for so many more, which are held from then on; always where nobody else holds any.

        ``own_bytes`` is what of the same body is held already.
        """
        if self._held_bytes > own_bytes and self._held_bytes + size_bytes > self._max_bytes:
            return False
        self._held_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """So many are held no longer."""
        self._held_bytes -= size_bytes


def no_room() -> QueueFullError:
    """What a sender is told whose body finds none."""
    return QueueFullError("too much is being sent at once (max_pending_bytes); send the same again later")
