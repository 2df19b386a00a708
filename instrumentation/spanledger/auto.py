"""``import spanledger.auto``: the one import that makes this process's LLM calls spans, and sends them.

It uses the tracer provider that the application has, or makes one that obeys the ``OTEL_*`` variables; then
it reads LLM traffic where all SDKs meet, at the HTTP client. ``spanledger.uninstrument()`` takes it back.
"""

from __future__ import annotations

from spanledger.instrumentation import instrument

instrument()
