"""Redaction: rules that drop, hash or mask what spans and logs say, before anything of it is written.

A rule in the YAML settings names attributes by a pattern, or texts by a regular expression, or both::

    redaction:
      - {name: "gen_ai.*.messages", action: drop}
      - {name: "enduser.*", action: hash}
      - {value: "sk-[A-Za-z0-9_-]{20,}", action: mask}

``name`` is a shell pattern (``*``, ``?``, ``[abc]``) on the attribute's name; a key inside a map is named
``map.key``. Texts that are no attributes have names, too: ``span.name``, ``status.message``, ``event.name``, and
``body`` of a log record.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, MutableSequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector.config import RedactionRule, Settings
from spanledger_collector.receive.submit import ExportRequest, Signal

MASK = "***"
_HASH_DIGITS = 32
_NAMES_REMEMBERED = 10_000


@dataclass(slots=True, frozen=True)
class _Compiled:
    name: re.Pattern[str]
    value: re.Pattern[str] | None
    action: str


class Redaction:
    """The rules, ready to be applied; each sees what the rules before it left."""

    def __init__(self, rules: Iterable[RedactionRule] = (), key: str = "") -> None:
        """``key`` makes the hashes useless to who does not have it: without one, e-mail addresses can be guessed."""
        self._rules = [
            _Compiled(re.compile(translate(rule.name)), re.compile(rule.value) if rule.value else None, rule.action)
            for rule in rules
        ]
        self._key = key.encode()
        self._rules_for = lru_cache(_NAMES_REMEMBERED)(self._find_rules)

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule."""
        return not self._rules

    def apply(self, signal: Signal, request: ExportRequest) -> int:
        """Redact a request in place: every attribute and text of it. Returns how many values were changed."""
        if not self._rules or signal == "metrics":
            return 0
        changed = 0
        parts: Any = request
        for resource in parts.resource_spans if signal == "traces" else parts.resource_logs:
            changed += self._attributes(resource.resource.attributes)
            for scope in resource.scope_spans if signal == "traces" else resource.scope_logs:
                changed += self._attributes(scope.scope.attributes)
                if signal == "traces":
                    changed += sum(self._span(span) for span in scope.spans)
                else:
                    changed += sum(self._log_record(record) for record in scope.log_records)
        return changed

    def redact_attributes(self, pairs: MutableSequence[KeyValue]) -> None:
        """Redact attributes in place that are to be added to what was redacted before."""
        if self._rules:
            self._attributes(pairs)

    def _span(self, span: Any) -> int:
        changed: int = self._attributes(span.attributes)
        changed += self._text(span, "name", "span.name")
        if span.HasField("status"):
            changed += self._text(span.status, "message", "status.message")
        for event in span.events:
            changed += self._text(event, "name", "event.name") + self._attributes(event.attributes)
        return changed + sum(self._attributes(link.attributes) for link in span.links)

    def _log_record(self, record: Any) -> int:
        changed = self._attributes(record.attributes) + self._text(record, "event_name", "event.name")
        if record.HasField("body"):
            body_changed, dropped = self._value(record.body, "body")
            if dropped:
                record.ClearField("body")
            changed += body_changed
        return changed

    def _attributes(self, pairs: Any, prefix: str = "") -> int:
        changed = 0
        for index in reversed(range(len(pairs))):
            pair = pairs[index]
            pair_changed, dropped = self._value(pair.value, prefix + pair.key)
            if dropped:
                del pairs[index]
            changed += pair_changed
        return changed

    def _value(self, value: AnyValue, name: str) -> tuple[int, bool]:
        """Redact a value in place: how many values were changed, and whether it is to be dropped as a whole."""
        rules = self._rules_for(name)
        kind = value.WhichOneof("value")
        if any(rule.value is None and rule.action == "drop" for rule in rules):
            return 1, True
        if kind in ("array_value", "kvlist_value") and not any(rule.value is None for rule in rules):
            return self._inner(value, kind, name), False
        if not rules or kind is None:
            return 0, False
        text = _text_of(value, kind)
        redacted = self._redacted(text, rules)
        if redacted is None:
            return 1, True
        if redacted == text:
            return 0, False
        value.string_value = redacted
        return 1, False

    def _inner(self, value: AnyValue, kind: str, name: str) -> int:
        if kind == "kvlist_value":
            return self._attributes(value.kvlist_value.values, f"{name}.")
        changed = 0
        items = value.array_value.values
        for index in reversed(range(len(items))):
            item_changed, dropped = self._value(items[index], name)
            if dropped:
                del items[index]
            changed += item_changed
        return changed

    def _text(self, message: Any, field: str, name: str) -> int:
        text = getattr(message, field)
        rules = self._rules_for(name) if text else ()
        redacted = self._redacted(text, rules) or ""
        if redacted == text:
            return 0
        setattr(message, field, redacted)
        return 1

    def _redacted(self, text: str, rules: Iterable[_Compiled]) -> str | None:
        """The text after the rules; ``None`` when it is to be dropped."""
        for rule in rules:
            if rule.value is not None and not rule.value.search(text):
                continue
            match rule.action:
                case "drop":
                    return None
                case "hash":
                    text = self._hash(text)
                case "mask":
                    text = rule.value.sub(MASK, text) if rule.value else MASK
        return text

    def _hash(self, text: str) -> str:
        digest = hmac.new(self._key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
        return f"sha256:{digest[:_HASH_DIGITS]}"

    def _find_rules(self, name: str) -> tuple[_Compiled, ...]:
        return tuple(rule for rule in self._rules if rule.name.match(name))


def redaction_of(settings: Settings) -> Redaction:
    """The rules that the settings name."""
    return Redaction(settings.redaction, settings.redaction_key.get_secret_value())


def _text_of(value: AnyValue, kind: str) -> str:
    match kind:
        case "bytes_value":
            return value.bytes_value.decode(errors="replace")
        case "array_value" | "kvlist_value":
            # One hash or mask stands for all of it; deterministic, as equal values shall have equal hashes.
            return value.SerializeToString(deterministic=True).decode(errors="surrogateescape")
    return str(getattr(value, kind))
