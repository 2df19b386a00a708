"""Our own instrumentation: the semantic conventions, read from the provider's answer at the HTTP client."""

from dataclasses import replace

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import INFERRED_TRUST, Dialect

DIALECT = Dialect(
    name="spanledger",
    scopes=("spanledger",),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    trust=95,
    # Sizes of the input, and tokens estimated from them: parts of what is counted.
    understood=("spanledger.input.",),
)

INFERRED = replace(DIALECT, scopes=("spanledger.inferred",), trust=INFERRED_TRUST)
"""Tool executions that nobody saw: the conversation tells of them, by a call that one answer asks for and the next
request brings the result of."""
