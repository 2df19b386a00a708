"""spanledger, the app side: LLM calls become spans, and spans say whom they are for.

::

    import spanledger.auto

    with spanledger.task("T-42", agent="coder", team="platform", user="u-17"):
        ...

This import alone is light: it needs the OpenTelemetry API and nothing else, and traces nothing by itself.
"""

from __future__ import annotations

from spanledger.instrumentation import instrument, uninstrument
from spanledger.scope import agent, task
from spanledger.tool_span import tool
from spanledger.tracing import __version__

__all__ = ["__version__", "agent", "instrument", "task", "tool", "uninstrument"]
