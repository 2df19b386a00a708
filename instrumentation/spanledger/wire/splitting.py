"""Server-sent events, cut out of chunks that end anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from spanledger.wire.decoding import LARGEST_BYTES, UnreadableError


class EventSplitter:
    """Gives the data of each event as soon as the event is complete. Source: WHATWG HTML, 9.2.6."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the data of the events that ``chunk`` completes."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in map(_without_return, lines):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._data_bytes += len(line)
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()
                self._data_bytes = 0
        if len(self._rest) + self._data_bytes > LARGEST_BYTES:
            raise UnreadableError


def _without_return(line: bytes) -> bytes:
    return line.removesuffix(b"\r")
