"""Prices a thousand times off their predecessor: mostly a slip of the unit, so that somebody has to confirm them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spanledger_collector.errors import BadInputError
from spanledger_collector.price.card import KINDS, Card, quoted, quoted_text
from spanledger_collector.price.overrides import Overrides

LEAP = 1000

Confirm = Callable[[str], bool]
"""Asked with a sentence that says what is odd; whether it is meant."""
Holding = Callable[[str, str, str, int], Card | None]
"""``Catalogue.holding``: the card of (provider, model, tier) at an instant."""


def refuse(_: str) -> bool:
    """For where nobody can be asked: what is odd must be confirmed in the file."""
    return False


def accept(_: str) -> bool:
    """For ``--yes``."""
    return True


def confirm_leaps(own: Overrides, holding: Holding, confirm: Confirm) -> None:
    """Ask about each leap that is not confirmed in the file.

    Raises:
        BadInputError: one was not confirmed; the message says where it stands, and the way out.
    """
    for question in leaps(own, holding):
        if not confirm(question):
            raise BadInputError(f"{question}; if it is meant, write `confirmed: true` in its entry")


def leaps(own: Overrides, holding: Holding) -> Iterator[str]:
    """A sentence for each card of ``own`` that is a thousand times dearer or cheaper than what held before it."""
    earlier: dict[tuple[str, str, str], Card] = {}
    for card in own.cards:
        key = (card.provider, card.model, card.tier)
        at_start = holding(*key, card.valid_from_ns) or holding(*key, card.valid_from_ns - 1)
        before = earlier.get(key) or at_start
        earlier[key] = card
        where, confirmed = own.places[card.card_id]
        if before is None or confirmed:
            continue
        for kind, old, new in zip(KINDS, before.rates[0][0], card.rates[0][0], strict=True):
            if old and new and not old < new * LEAP < old * LEAP * LEAP:
                yield f"{where}: {kind} is {quoted_text(kind, new)}, ${quoted(kind, old)[0].normalize():f} before"
                break
