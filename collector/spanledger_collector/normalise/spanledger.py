"""Our own instrumentation: the semantic conventions, read from the provider's answer at the HTTP client."""

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect

DIALECT = Dialect(
    name="spanledger",
    scopes=("spanledger",),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    trust=95,
    # Sizes of the input, and tokens estimated from them: parts of what is counted.
    understood=("spanledger.input.",),
)
