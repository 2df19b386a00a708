"""Microsoft Agent Framework: the semantic conventions. No capture of it is in the corpus.

``invoke_agent`` repeats the sum of the calls below it and names the framework as provider. With the Responses API the
conversation id is the id of the response, which is no session.
"""

from __future__ import annotations

from spanledger_collector.normalise import semconv
from spanledger_collector.normalise.dialect import Dialect, Reading


def _adjust(reading: Reading) -> None:
    fields = reading.fields
    if fields.get("session") and fields.get("session") == fields.get("response_id"):
        del fields["session"]


DIALECT = Dialect(
    name="agent_framework",
    scopes=("agent_framework",),
    fields=semconv.FIELDS,
    kind=semconv.kind,
    adjust=_adjust,
    trust=45,
)
