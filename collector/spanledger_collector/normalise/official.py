"""The official instrumentors of the OpenTelemetry project (Python contrib and the GenAI repository).

They read the provider's answer and follow the semantic conventions. What they do not see stays unknown: ``openai_v2``
emits no cache counts and does not know the Responses API; ``google_genai`` covers the whole automatic tool loop with
one span that states the last of its calls only; ``genai.openai_agents`` emits agents and tools, no inference.
"""

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect

DIALECT = Dialect(
    name="opentelemetry",
    scopes=(
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.google_genai",
        "opentelemetry.instrumentation.genai",
        "opentelemetry.util.genai",
    ),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    trust=70,
)
