"""Which attempt tries a call again: SDKs say it, or the same request follows a failed one."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from spanledger.guard import guarded

RETRY_COUNT_HEADER = "x-stainless-retry-count"
"""Says, in the requests of the OpenAI and Anthropic SDKs, how often this one was tried before."""

INVOCATION_HEADER = "amz-sdk-invocation-id"
"""The same in all attempts of one call by an AWS SDK."""

AWS_ATTEMPT = re.compile(r"\battempt=(\d+)")

WINDOW_S = 120.0
"""How long after a failure the same request still counts as its repetition; SDKs wait a minute at most."""

REMEMBERED = 256
"""Failed attempts that are remembered, in a storm of them."""


class Failed(NamedTuple):
    """An attempt that failed: of what request, of which logical call, as how many-eth resend, and when."""

    request: Hashable
    logical_call_id: str
    resend_count: int
    at_s: float


_failed: deque[Failed] = deque(maxlen=REMEMBERED)
_lock = threading.Lock()


def stated_resends(headers: Mapping[str, str]) -> int:
    """Give how often the SDK says that it has sent this request before."""
    stated = headers.get(RETRY_COUNT_HEADER)
    if stated is not None:
        return int(stated) if stated.isdecimal() else 0
    attempt = AWS_ATTEMPT.search(headers.get("amz-sdk-request") or "")
    return int(attempt[1]) - 1 if attempt else 0


def anything_failed() -> bool:
    """Whether there is anything that an attempt could repeat."""
    return bool(_failed)


@guarded
def remember(failed: Failed) -> None:
    """Let the next attempt of the same request be linked to this one."""
    with _lock:
        _failed.append(failed)


def forget_all() -> None:
    """Begin anew, as a test does."""
    with _lock:
        _failed.clear()


@guarded
def failed_before(request: Hashable) -> Failed | None:
    """Take the oldest failed attempt of the same request, if there is one within the window."""
    with _lock:
        oldest_s = time.monotonic() - WINDOW_S
        while _failed and _failed[0].at_s < oldest_s:
            _failed.popleft()
        found = next((failed for failed in _failed if failed.request == request), None)
        if found is not None:
            _failed.remove(found)
        return found
