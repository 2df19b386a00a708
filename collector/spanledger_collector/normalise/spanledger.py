"""Our own instrumentation: the semantic conventions, read from the provider's answer at the HTTP client."""

from dataclasses import replace

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import INFERRED_TRUST, Dialect

DIALECT = Dialect(
    name="spanledger",
    scopes=("spanledger",),
    fields={
        **semconv.FIELDS,
        "input_bytes": ("spanledger.input.bytes",),
        "repeated_input_bytes": ("spanledger.input.repeated_bytes",),
        "tool_definitions": ("spanledger.input.tools.count",),
        "tool_definitions_bytes": ("spanledger.input.tools.bytes",),
        "tool_definitions_hash": ("spanledger.input.tools.hash",),
    },
    kind=semconv.kind,
    trust=95,
    # Tokens estimated from the sizes of the input: parts of what is counted.
    understood=("spanledger.input.",),
)

INFERRED = replace(DIALECT, scopes=("spanledger.inferred",), trust=INFERRED_TRUST)
"""Tool executions that nobody saw: the conversation tells of them, by a call that one answer asks for and the next
request brings the result of."""
