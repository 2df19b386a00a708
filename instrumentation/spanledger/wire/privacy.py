"""What must not leave for a provider: who a call is for is between the application and its own collector."""

from __future__ import annotations

from collections.abc import MutableMapping

from spanledger.attributes import IDENTITY
from spanledger.wire.providers import public_provider

HEADER = "baggage"


def keep_identity_home(host: str, headers: MutableMapping[str, str]) -> None:
    """Take our entries out of the W3C ``baggage`` header of a request to a provider's own host.

    An SDK that propagates its context (anthropic 2 does), or a tracer of the HTTP client, would send the user's and
    the task's names there. A gateway of one's own keeps getting them; a signed request stays as it was signed.
    """
    carried = headers.get(HEADER) if public_provider(host) else None
    if not carried or headers.get("authorization", "").startswith("AWS4"):
        return
    others = [entry for entry in carried.split(",") if entry.split("=")[0].strip() not in IDENTITY]
    if others:
        headers[HEADER] = ",".join(others)
    else:
        del headers[HEADER]
