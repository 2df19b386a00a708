"""One text, and one short hash, for equal values."""

from __future__ import annotations

import hashlib
import json
from typing import Any

HASH_DIGITS = 16


def canonical_json(value: Any) -> str:
    """Give one text for equal values: sorted keys, no spaces, no addresses in the ``repr`` of objects."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_stable)


def short_hash(data: bytes) -> str:
    """Give the first hex digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:HASH_DIGITS]


def _stable(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(canonical_json(item) for item in value)
    kind: Any = type(value)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__repr__ is object.__repr__ else repr(value)
