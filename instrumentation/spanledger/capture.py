"""Whether prompts and completions may be recorded: only when the standard variable asks for it."""

from __future__ import annotations

import os

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def content_is_captured() -> bool:
    """Read the variable anew: ``true``, ``SPAN_ONLY`` and ``SPAN_AND_EVENT`` ask for content on spans."""
    return os.environ.get(VARIABLE, "").strip().lower() in ("true", "span_only", "span_and_event")
