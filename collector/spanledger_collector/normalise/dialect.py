"""What a dialect is: declared as data where it can be (attribute names per field), code only where semantics differ.

To add one, write a file beside this one that ends in ``DIALECT = Dialect(...)`` and name it in ``classify.DIALECTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spanledger_collector.model import Kind, Span

Names = tuple[str, ...]
"""Attribute names, the preferred first; the first that is present and not empty gives the value."""

INFERRED_TRUST = 5
"""The trust of what was concluded rather than seen; its times are looser than those of any copy that was there."""

IDENTITY: Mapping[str, Names] = {
    "task": ("spanledger.task",),
    "agent": ("spanledger.agent", "gen_ai.agent.name"),
    "team": ("spanledger.team", "team.id", "team"),
    "user": ("spanledger.user", "user.id", "enduser.id"),
    "session": ("spanledger.session", "session.id", "gen_ai.conversation.id"),
}
"""Whom a call is for, in any dialect: read from the span, then from its resource."""


@dataclass(slots=True)
class Reading:
    """What has been read of a span so far: field names of ``Fact`` to values; ``adjust`` may change any of them."""

    span: Span
    kind: Kind
    fields: dict[str, Any] = field(default_factory=dict)

    def fill(self, more: Mapping[str, Any]) -> None:
        """Take of ``more`` what is not known yet."""
        for name, value in more.items():
            self.fields.setdefault(name, value)


def always(kind: Kind) -> Callable[[Span], Kind]:
    """For a dialect whose spans are all of one kind."""
    return lambda span: kind


def _no_kind(span: Span) -> Kind:
    return "context"


def no_adjustment(reading: Reading) -> None:
    """For a dialect that is all said as data."""


@dataclass(slots=True, frozen=True, eq=False)
class Dialect:
    """How one family of emitters says what a call was."""

    name: str
    fields: Mapping[str, Names]
    """Field of ``Fact`` → attribute names. Counts, times and money are converted by the field's type."""
    scopes: Names = ()
    """Instrumentation scope names that belong to it, with all dotted names below them; one that ends in a separator
    (``.``, ``_``, ``-``) is a prefix."""
    markers: frozenset[str] = frozenset()
    """Attribute names of which one is enough to belong to it, where the scope does not tell."""
    trust: int = 50
    """How far its token counts are believed when copies of a call differ (0 to 100): the SDK that spoke to the
    provider is believed over a framework above it, both over an estimate."""
    kind: Callable[[Span], Kind | None] = _no_kind
    """What the span is to the ledger; ``None`` for one that says nothing of a call (file access, hooks, polling)."""
    adjust: Callable[[Reading], None] = no_adjustment
    """What cannot be said as data: values inside JSON text, counts that exclude what ours include."""
    understood: Names = ()
    """Further attributes of tokens and costs that ``adjust`` reads, or that say nothing the ``fields`` do not; one that
    ends in ``.`` is a prefix. All others that look like usage are reported as unread."""
    conventional_without: frozenset[str] | None = None
    """The attributes without which a span that states its operation is read as the semantic conventions have it: its
    ``kind`` is theirs, and ``adjust`` changes nothing. ``None`` where no names can tell that."""
