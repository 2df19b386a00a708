"""Amazon Bedrock's runtime, by the official botocore instrumentor and by Traceloop's.

Both pass on what Converse counted: the input without cache reads and writes. There is no response id.
Traceloop's strips the region and vendor from the model's name; no capture of it is in the corpus.
"""

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect, Reading
from spanledger_collector.normalise.usage import include_cache


def _adjust(reading: Reading) -> None:
    reading.fields.setdefault("provider", "aws.bedrock")
    include_cache(reading.fields)


DIALECT = Dialect(
    name="bedrock",
    scopes=(
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        "opentelemetry.instrumentation.bedrock",
    ),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    adjust=_adjust,
    trust=65,
)
