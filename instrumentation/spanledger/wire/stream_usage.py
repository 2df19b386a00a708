"""Asking for the usage of a stream where the application did not, and keeping the answer from it. Off by default.

OpenAI and those who speak its format report the usage of a stream only when asked, in an extra chunk without choices.
With ``SPANLEDGER_STREAM_USAGE=1`` the question is added to requests by httpx and httpx2, and that chunk is taken out
again; the other chunks then carry a ``usage`` of null. The answer is asked for uncompressed, so that this can be done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from spanledger.wire.format import parse_object

VARIABLE = "SPANLEDGER_STREAM_USAGE"
QUESTION = b',"stream_options":{"include_usage":true}}'
EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


def asking(body: bytes, headers: Mapping[str, str]) -> bytes | None:
    """Give a streamed request's body with the question added; None where that is not wanted or cannot be done."""
    if os.environ.get(VARIABLE, "").strip().lower() not in ("1", "true"):
        return None
    request = parse_object(body)
    is_signed = headers.get("authorization", "").startswith("AWS4")
    if not request or "stream_options" in request or is_signed:
        return None
    return body.rstrip()[:-1] + QUESTION


class UsageFilter:
    """Takes the usage chunk out of a stream; what ends within an event is held back until the event is whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Give what the caller may have by now."""
        *events, self._rest = EVENT_END.split(self._rest + chunk)
        return b"".join(event for event in events if not _is_usage(event))

    def rest(self) -> bytes:
        """Give what was held back, at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest


def _is_usage(event: bytes) -> bool:
    if b'"usage"' not in event:
        return False
    chunk = parse_object(event.strip().removeprefix(b"data:"))
    return chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
