"""Reading an answer from a copy of its bytes: a whole JSON body, or the events of a stream."""

from __future__ import annotations

from spanledger import clock
from spanledger.wire.decoding import LARGEST_BYTES, Decode, UnreadableError, decoder
from spanledger.wire.format import Json, WireFormat, parse_object
from spanledger.wire.splitting import EventSplitter, Splitter
from spanledger.wire.uncounted import spoken_bytes

MOST_HELD_BYTES = 64 * 1024
"""How much of a stream is held until it is read in one go."""

EVENT_END = b"\n\n"


class Reading:
    """What is read of one answer; a copy that cannot be read on is let go quietly, what was read is kept."""

    first_content_ns: int | None = None
    """When the first event that bears content arrived, in nanoseconds since the epoch."""

    is_complete = False
    """Whether nothing is to come any more, though the body may not have ended."""

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

    def spoken_bytes(self) -> int:
        """Give how much text there was, of a stream that nobody counts."""
        return 0

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

    Once content has begun, whole events that cannot be the last are only held, some ten thousand bytes of them. Of
    what was held, events that are only more content are told by their bytes and not parsed, unless the content itself
    is wanted. The last of them is, in the end: some providers repeat the usage so far in each.
    """

    def __init__(
        self, decode: Decode, splitter: Splitter, wire_format: WireFormat, *, with_content: bool, is_uncounted: bool
    ) -> None:
        super().__init__(decode)
        self._is_uncounted = is_uncounted
        self._spoken_bytes = 0
        self._counted_later = b""
        self._splitter = splitter
        self._format = wire_format
        self._with_content = with_content
        self._holding = splitter if isinstance(splitter, EventSplitter) and not with_content else None
        self._ending = wire_format.ending
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._response: Json = {}
        self._untold = b""

    def feed(self, chunk: bytes) -> None:
        """Read one more chunk."""
        if self._decode is None:
            return
        try:
            data = self._decode(chunk)
            if data[-2:] != EVENT_END or not (self._held or self._may_hold()):
                self._read(data)
                return
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes > MOST_HELD_BYTES or (self._ending is not None and self._ending in data):
                self._let_go()
        except UnreadableError:
            self._decode = None

    def _may_hold(self) -> bool:
        return self.first_content_ns is not None and self._holding is not None and self._holding.is_between

    def _let_go(self) -> None:
        """Read what was held: the events that tell something, and the last."""
        data, self._held_bytes = b"".join(self._held), 0
        self._held.clear()
        if self._is_uncounted:
            # Mostly the count comes after all.
            self._spoken_bytes += spoken_bytes(self._counted_later)
            self._counted_later = data
        places = [*self._format.telling.places(data), _after(data.rfind(EVENT_END, 0, -len(EVENT_END)), 0)]
        if self._ending is not None and (ending := data.find(self._ending)) >= 0:
            places.append(ending)
            places.sort()
        read_to = 0
        for place in places:
            if place >= read_to and not self.is_complete:
                begins = _after(data.rfind(EVENT_END, read_to, place), read_to)
                read_to = _after(data.find(EVENT_END, place), len(data))
                self._read_events(data[begins:read_to])

    def _read(self, data: bytes) -> None:
        if self._held:
            self._let_go()
        self._read_events(data, counted=self._is_uncounted)

    def _read_events(self, data: bytes, *, counted: bool = False) -> None:
        for event in self._splitter.feed(data):
            if counted:
                self._spoken_bytes += spoken_bytes(event)
            if self.is_complete:
                return
            if self.first_content_ns is None or self._with_content or self._format.telling.search(event):
                self._fold(event)
            elif event == self._format.end_mark:
                self._untold, self.is_complete = b"", True
            else:
                self._untold = event

    def _fold(self, event: bytes) -> None:
        self._untold = b""
        bears_content = self._format.fold(self._response, parse_object(event))
        if bears_content and self.first_content_ns is None:
            self.first_content_ns = clock.now_ns()
        if event == self._format.end_mark or self._format.last.search(event) is not None:
            self.is_complete = True

    def response(self) -> Json:
        """Give what the events have said."""
        if self._held:
            self._let_go()
        if self._untold:
            self._fold(self._untold)
        return self._response

    def spoken_bytes(self) -> int:
        """Give how much text there was, of a stream that nobody counts."""
        return self._spoken_bytes + spoken_bytes(self._counted_later)


def _after(event_end: int, otherwise: int) -> int:
    return event_end + len(EVENT_END) if event_end >= 0 else otherwise


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
