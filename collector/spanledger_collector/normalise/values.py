"""Attribute values as emitters really send them: numbers as text, lists as JSON text, JSON in text."""

from __future__ import annotations

import ast
import json
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_TOKENS = 1 << 40
"""More tokens than any call can have: a larger number is a mistake of the emitter and counts as unknown."""

MAX_JSON_CHARACTERS = 1_000_000
MAX_REPR_CHARACTERS = 20_000
"""Longer texts are not parsed: they hold content, and would only cost time."""


def text(value: Any) -> str:
    """A name or an id; '' for everything that is not text or a number."""
    # By type first: it is asked of nearly every attribute of every call.
    if type(value) is str or isinstance(value, str):
        name = value.strip()
        # JSON inside an attribute can hold half a surrogate pair, which no store takes.
        return name if name.isascii() else name.encode(errors="replace").decode()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def count(value: Any) -> int | None:
    """A token count from an int, a whole double or text of either; ``None`` when it is no count."""
    if type(value) is int:
        return value if 0 <= value < MAX_TOKENS else None
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
    except (TypeError, ValueError, OverflowError):
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
    if isinstance(value, str) and value[:1] == "{" and len(value) <= MAX_JSON_CHARACTERS:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}
    return {}


def mapping(value: Any) -> dict[str, Any]:
    """A map from a map, from JSON, or from the ``repr`` of a Python dict that some emitters write instead."""
    found = json_object(value)
    # Counts and names need no escapes; a text with some is content, and may be no literal at all.
    if found or not isinstance(value, str) or value[:1] != "{" or "\\" in value or len(value) > MAX_REPR_CHARACTERS:
        return found
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def unquoted(value: Any) -> str:
    """A name that may be wrapped as a JSON string."""
    name = text(value)
    if name[:1] == '"':
        try:
            return text(json.loads(name))
        except ValueError:
            return name
    return name


def truth(value: Any) -> bool:
    """A flag from a bool or its text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")
