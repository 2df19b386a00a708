"""Two price lists side by side: which prices a newer one changes, and whether that was a change or a correction.

A *change* holds from a day on that the newer list names: calls before it keep their price. A *correction* says that the
price was wrong all along: re-pricing rewrites what was booked by it. An operator who knows that an undated difference
was a change of the vendor's keeps the former price for the time before by a card in the price file (``valid_to``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spanledger_collector.price.card import Card

Name = tuple[str, str, str]
"""Provider, model and tier."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is ``new``, ``gone``, ``change`` or ``correction``; ``old`` and ``new`` hold from ``from_ns`` on."""

    kind: str
    name: Name
    from_ns: int
    old: Card | None
    new: Card | None


def compare(before: Iterable[Card], after: Iterable[Card]) -> Iterator[Difference]:
    """What differs, in order of name and time."""
    old, new = _by_name(before), _by_name(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            card = (old.get(name) or new[name])[-1]
            gone = name in old
            yield Difference(
                "gone" if gone else "new", name, card.valid_from_ns, card if gone else None, None if gone else card
            )
            continue
        yield from _of_name(name, old[name], new[name])


def _of_name(name: Name, old: list[Card], new: list[Card]) -> Iterator[Difference]:
    """Instants where either list begins another price, and the two do not agree from there on."""
    old_starts = {card.valid_from_ns for card in old}
    starts = sorted(old_starts | {card.valid_from_ns for card in new})
    differed: tuple[object, object] | None = None
    for start_ns in starts:
        was, now = _holding(old, start_ns), _holding(new, start_ns)
        contents = (was.content() if was else None, now.content() if now else None)
        if contents[0] != contents[1] and contents != differed:
            # A day that only the newer list knows is a dated change, unless the list begins there.
            dated = start_ns not in old_starts and now is not None and now is not new[0]
            yield Difference("change" if dated else "correction", name, start_ns, was, now)
        differed = contents if contents[0] != contents[1] else None


def _by_name(cards: Iterable[Card]) -> dict[Name, list[Card]]:
    found: dict[Name, list[Card]] = defaultdict(list)
    for card in cards:
        found[card.provider, card.model, card.tier].append(card)
    return dict(found)


def _holding(cards: Iterable[Card], at_ns: int) -> Card | None:
    return next((card for card in cards if card.valid_from_ns <= at_ns < card.valid_to_ns), None)
