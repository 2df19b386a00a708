"""The handles by which facts of one call find each other, also across traces, and the identity of the call."""

from __future__ import annotations

import hashlib
import marshal
import re
from functools import lru_cache
from typing import Any
from zlib import crc32

from spanledger_collector.compiled import taken_over
from spanledger_collector.model import BILLABLE, FACT_FIELDS, Fact

_AGREED_BY = {
    # Its log records count thoughts and tool prompts and name the model that answered, its spans do not.
    "gemini_cli": "session",
    # Its log records name the model, its spans leave that to their ancestors.
    "codex": "counts",
}
"""What the copies of a call agree on where their dialect cannot have them agree on model and counts."""

WEAK_RESPONSE_ID = "^(chatcmpl|cmpl|resp|msg)?[-_]?[0-9]{0,6}$"
"""Ids with too little in them to be unique (Ollama draws ``chatcmpl-`` and up to three digits): not an identity."""

_is_weak = re.compile(WEAK_RESPONSE_ID).fullmatch
_VENDOR_PREFIX = re.compile(r"^(.*/|((us|eu|apac|global)\.)?[a-z]+\.(?=[a-z]))")
_VERSION_SUFFIX = re.compile(r"([-@](\d{8}|\d{4}-\d{2}-\d{2}|latest|v\d+(:\d+)?)|:\d+)+$")

_MONEY = FACT_FIELDS.index("reported_cost_usd")
_PLAIN_FORMAT = 2
"""Of ``marshal``: the last that writes equal values equally, whatever else the process does with them."""


def has_counts(fact: Fact) -> bool:
    """Whether the fact states usage."""
    return fact.input_tokens is not None or fact.output_tokens is not None


def is_hosted(fact: Fact) -> bool:
    """Whether this may be an agent run by a provider behind its API: agents keep usage only where they called one.

    It is a call of its own where no call is seen below it.
    """
    return fact.kind == "agent" and has_counts(fact)


@lru_cache(maxsize=4096)
def model_stem(model: str) -> str:
    """A model's name without vendor prefix, date and version: what two emitters of one call agree on.

    Only for finding copies of a call; prices resolve names by rules of their own.
    """
    return _VERSION_SUFFIX.sub("", _VENDOR_PREFIX.sub("", model.lower()))


@lru_cache(maxsize=65536)
def response_key(response_id: str) -> str:
    """The response id where it can be an identity, else ''.

    Providers' ids carry their family (``chatcmpl-``, ``msg_``, ``resp_``) and enough randomness; the provider's name is
    left out because copies of one call disagree on it (a gateway's name, a framework's, none).
    """
    return "" if _is_weak(response_id) else response_id


def match_key(fact: Fact) -> int:
    """Equal for facts that may be copies of one call though a response id is missing: same process, model and counts.

    0 for facts that are no call. Failed calls and streams without usage have no counts; they agree in having none.
    """
    if fact.kind not in BILLABLE:
        return 0
    agreed = _AGREED_BY.get(fact.dialect, "")
    counts = f"{fact.input_tokens or 0}/{fact.output_tokens or 0}" if has_counts(fact) else fact.status
    found = {"session": fact.session, "counts": counts}.get(agreed) or (
        f"{model_stem(fact.response_model or fact.request_model)} {counts}"
    )
    return _match_hash(fact.service, fact.instance, fact.kind, found)


def variant(fact: Fact) -> int:
    """Tells apart what was said of one span at different times; equal for an exact repetition, also from the store."""
    cost = fact.reported_cost_usd
    # Money has a scale, which the store sets; everything else comes back as it was written.
    said: tuple[Any, ...] = (*fact[:_MONEY], "" if cost is None else f"{cost:.12f}", *fact[_MONEY + 1 :])
    return crc32(marshal.dumps(said, _PLAIN_FORMAT))


def call_id_of_response(key: str) -> str:
    """The identity of a call with a response id: 32 hex digits."""
    return _hex("response", key)


def call_id_of_span(fact: Fact) -> str:
    """The identity of a call without one: that of the span that stands for it."""
    return _hex("span", fact.trace_id, fact.span_id)


def own_call_id(fact: Fact) -> str:
    """The identity a call would have if this fact were all that is known of it."""
    key = response_key(fact.response_id) if fact.kind in BILLABLE or is_hosted(fact) else ""
    return call_id_of_response(key) if key else call_id_of_span(fact)


@lru_cache(maxsize=65536)
def _match_hash(*parts: str) -> int:
    return _hash64("match", *parts) or 1


def _digest(parts: tuple[str, ...]) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest()


@lru_cache(maxsize=16384)
def _hex(*parts: str) -> str:
    return _digest(parts).hex()


def _hash64(*parts: str) -> int:
    return int.from_bytes(_digest(parts)[:8], "big")


PURE = taken_over(globals(), "merge.compiled_keys", "response_key", "match_key", "variant", "own_call_id")
"""The functions above by name, also where their compiled twins stand for them."""
