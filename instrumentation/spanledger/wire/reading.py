"""Reading an answer from a copy of its bytes: a whole JSON body, or the events of a stream."""

from __future__ import annotations

from spanledger import clock
from spanledger.wire.decoding import LARGEST_BYTES, Decode, UnreadableError, decoder
from spanledger.wire.format import Json, WireFormat, parse_object
from spanledger.wire.splitting import Splitter
from spanledger.wire.uncounted import spoken_bytes


class Reading:
    """What is read of one answer; a copy that cannot be read on is let go quietly, what was read is kept."""

    first_content_ns: int | None = None
    """When the first event that bears content arrived, in nanoseconds since the epoch."""

    is_complete = False
    """Whether nothing is to come any more, though the body may not have ended."""

    spoken_bytes = 0
    """How much text there was, of a stream that nobody counts."""

    def __init__(self, decode: Decode) -> None:
        self._decode: Decode | None = decode

    def feed(self, chunk: bytes) -> None:
        """Read one more chunk."""
        if self._decode is None:
            return
        try:
            self._read(self._decode(chunk))
        except UnreadableError:
            self._decode = None

    def response(self) -> Json:
        """Give the answer, as far as it has been read."""
        raise NotImplementedError

    def _read(self, data: bytes) -> None:
        raise NotImplementedError


class JsonReading(Reading):
    """A JSON body; it says nothing before its end."""

    def __init__(self, decode: Decode) -> None:
        super().__init__(decode)
        self._pieces: list[bytes] = []
        self._bytes = 0

    def _read(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > LARGEST_BYTES:
            self._pieces.clear()
            raise UnreadableError
        self._pieces.append(data)

    def response(self) -> Json:
        """Give the body, or an empty object for half of one."""
        return parse_object(b"".join(self._pieces))


class EventReading(Reading):
    """A stream of events, folded into the answer it makes.

    Once content has begun, events that are only more of it are told by their bytes and not parsed, unless the
    content itself is wanted. The last of them is, in the end: some providers repeat the usage so far in each.
    """

    def __init__(
        self, decode: Decode, splitter: Splitter, wire_format: WireFormat, *, with_content: bool, is_uncounted: bool
    ) -> None:
        super().__init__(decode)
        self._is_uncounted = is_uncounted
        self._split = splitter.feed
        self._format = wire_format
        self._tells = wire_format.telling.search
        self._end_mark = wire_format.end_mark
        self._with_content = with_content
        self._response: Json = {}
        self._untold = b""

    def _read(self, data: bytes) -> None:
        for event in self._split(data):
            if self._is_uncounted:
                self.spoken_bytes += spoken_bytes(event)
            if self.first_content_ns is None or self._with_content or self._tells(event):
                self._fold(event)
            elif event == self._end_mark:
                self._untold, self.is_complete = b"", True
            else:
                self._untold = event

    def _fold(self, event: bytes) -> None:
        self._untold = b""
        bears_content = self._format.fold(self._response, parse_object(event))
        if bears_content and self.first_content_ns is None:
            self.first_content_ns = clock.now_ns()
        self.is_complete = event == self._end_mark or self._format.last.search(event) is not None

    def response(self) -> Json:
        """Give what the events have said."""
        if self._untold:
            self._fold(self._untold)
        return self._response


def reading_of(
    wire_format: WireFormat,
    content_type: str,
    content_encoding: str,
    *,
    streamed: bool,
    with_content: bool,
    is_uncounted: bool,
) -> Reading | None:
    """Give the reading for an answer's headers, or None where it is neither events nor JSON."""
    decode = decoder(content_encoding)
    if decode is None:
        return None
    if splitter := wire_format.splitter(content_type, streamed=streamed):
        return EventReading(decode, splitter, wire_format, with_content=with_content, is_uncounted=is_uncounted)
    return JsonReading(decode) if "json" in content_type else None
