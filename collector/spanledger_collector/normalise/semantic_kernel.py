"""Microsoft Semantic Kernel: model diagnostics that follow the semantic conventions, older and current.

Older versions put the counts under ``gen_ai.response.*`` and call the operation ``chat.completions``. Counts are the
provider's own. No capture of it is in the corpus.
"""

from __future__ import annotations

from spanledger_collector.model import Kind, Span
from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect

_KINDS: dict[str, Kind] = {"chat.completions": "llm", "text.completions": "llm"}


def _kind(span: Span) -> Kind:
    return _KINDS.get(str(span.attributes.get(semconv.OPERATION))) or semconv.kind(span)


DIALECT = Dialect(
    name="semantic_kernel",
    scopes=("Microsoft.SemanticKernel.", "semantic_kernel"),
    kind=_kind,
    fields={
        **semconv.FIELDS,
        "input_tokens": (*semconv.FIELDS["input_tokens"], "gen_ai.response.prompt_tokens"),
        "output_tokens": (*semconv.FIELDS["output_tokens"], "gen_ai.response.completion_tokens"),
    },
)
