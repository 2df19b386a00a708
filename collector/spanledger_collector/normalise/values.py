"""Attribute values as emitters really send them: numbers as text, lists as JSON text, JSON in text."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_TOKENS = 1 << 40
"""More tokens than any call can have: a larger number is a mistake of the emitter and counts as unknown."""


def text(value: Any) -> str:
    """A name or an id; '' for everything that is not text or a number."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def count(value: Any) -> int | None:
    """A token count from an int, a whole double or text of either; ``None`` when it is no count."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value) if not isinstance(value, int) else value
    except (TypeError, ValueError):
        return None
    return int(number) if 0 <= number < MAX_TOKENS and number == int(number) else None


def number(value: Any) -> float | None:
    """A finite, non-negative float from a number or its text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found < float("inf") else None


def money(value: Any) -> Decimal | None:
    """US dollars; a reported cost of 0 is unknown, as emitters write 0 when they know no price."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return round(amount, 12) if amount.is_finite() and 0 < amount < 1_000_000 else None


def json_object(value: Any) -> dict[str, Any]:
    """A JSON object, from a map or its text; an empty one when it is something else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value[:1] == "{":
        try:
            parsed = json.loads(value)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}
    return {}


def truth(value: Any) -> bool:
    """A flag from a bool or its text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")
