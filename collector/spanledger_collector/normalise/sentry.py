"""Sentry's SDKs: the semantic conventions, with the parts of a count named below the whole (``input_tokens.cached``).

Counts are totals; agent spans repeat them. No capture of it is in the corpus.
"""

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect

_READ, _WRITE = "gen_ai.usage.input_tokens.cached", "gen_ai.usage.input_tokens.cache_write"
_REASONING = "gen_ai.usage.output_tokens.reasoning"

DIALECT = Dialect(
    name="sentry",
    scopes=("sentry",),
    markers=frozenset((_READ, _WRITE, _REASONING)),
    kind=semconv.kind,
    fields={
        **semconv.FIELDS,
        "cache_read_tokens": (_READ, *semconv.FIELDS["cache_read_tokens"]),
        "cache_write_tokens": (_WRITE, *semconv.FIELDS["cache_write_tokens"]),
        "reasoning_tokens": (_REASONING, *semconv.FIELDS["reasoning_tokens"]),
    },
)
