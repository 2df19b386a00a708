"""The spans that Anthropic's Python SDK emits by itself (2.x, once a tracer provider exists).

They follow the semantic conventions, and know the provider's answer best: the split of cache writes by their life
and the exact output of a stream. They are the inner copy next to every other instrumentor of the same call.
"""

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect

DIALECT = Dialect(
    name="anthropic_sdk",
    scopes=("com.anthropic.sdk.",),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    trust=90,
    understood=("anthropic.usage.cache_creation.",),
)
