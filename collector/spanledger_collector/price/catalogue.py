"""The seam of this stage: ``Catalogue.price``, one lookup by name and time and one sum a call."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from spanledger_collector.price.card import FOREVER_NS, Card
from spanledger_collector.price.charge import (
    NOT_BILLED,
    UNKNOWN_MODEL,
    UNKNOWN_PROVIDER,
    Price,
    Tariff,
    Usage,
    charge,
)
from spanledger_collector.price.names import Resolver
from spanledger_collector.price.rules import (
    CORRECTIONS_FILE,
    NAMES_FILE,
    Corrections,
    read_corrections,
    read_names,
    shipped,
)

NAMES_REMEMBERED = 65_536
"""Names come from clients: the memory of them is bounded, and starts anew when it is full."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """What one spelling of (provider, models, tier) costs over time; ``answer`` where time does not matter.

    ``steps[i]`` holds from ``starts_ns[i]`` on; None is a gap.
    """

    answer: Price | None = None
    starts_ns: tuple[int, ...] = ()
    steps: tuple[Tariff | None, ...] = ()


class Catalogue:
    """Prices of all known models, and the memory of which names meant which."""

    def __init__(self, cards: Iterable[Card], resolver: Resolver, corrections: Corrections) -> None:
        self._cards: dict[tuple[str, str, str], list[Card]] = defaultdict(list)
        self._resolver = resolver
        self._corrections = corrections
        self._ladders: dict[tuple[str, tuple[str, ...], str], Ladder] = {}
        for card in cards:
            self._cards[card.provider, card.model, card.tier].append(card)
        for card in corrections.cards:
            self._lay_over(card)

    @classmethod
    def load(cls) -> Catalogue:
        """The installed price list under the corrections that ship with us; takes about half a second."""
        from genai_prices.data import providers

        from spanledger_collector.price.compile import compile_cards

        corrections = read_corrections(shipped(CORRECTIONS_FILE), CORRECTIONS_FILE)
        resolver = Resolver(read_names(shipped(NAMES_FILE)), providers, corrections)
        return cls(compile_cards(providers), resolver, corrections)

    def price(self, provider: str, models: Sequence[str], at_ns: int, usage: Usage, tier: str = "") -> Price:
        """What a call cost that began at ``at_ns`` (nanoseconds since the epoch).

        ``models`` are raw names in order of preference (response model, request model): the first that is
        known counts. ``provider`` and ``tier`` are raw names too, '' where the span names none. Never
        raises; ``Price`` lists the statuses.
        """
        key = (provider, tuple(models), tier)
        ladder = self._ladders.get(key)
        if ladder is None:
            if len(self._ladders) >= NAMES_REMEMBERED:
                self._ladders.clear()
            ladder = self._ladders[key] = self._find(*key)
        if ladder.answer is not None:
            return ladder.answer
        index = bisect_right(ladder.starts_ns, at_ns) - 1
        step = ladder.steps[index] if index >= 0 else None
        return charge(step, at_ns, usage) if step else UNKNOWN_MODEL

    def canonical(self, provider: str, model: str) -> tuple[str, str] | None:
        """The (provider, model) that raw names mean, or None where there is no card for them."""
        owner = self._owner(provider, model)
        name = self._resolver.model(owner, model) if owner else None
        return (owner, name) if owner and name and (owner, name, "") in self._cards else None

    def cards(self) -> Iterator[Card]:
        """Every card, in order of time within one (provider, model, tier)."""
        return (card for cards in self._cards.values() for card in cards)

    def _owner(self, provider: str, model: str) -> str | None:
        """The canonical provider of a call; '' when nothing names one, None when its name is unknown."""
        owner = self._resolver.provider(provider)
        return self._resolver.provider_of(model) if owner == "" else owner

    def _find(self, provider: str, models: tuple[str, ...], tier: str) -> Ladder:
        named = [model for model in models if model]
        owners = [self._owner(provider, model) for model in named]
        for model, owner in zip(named, owners, strict=True):
            if owner and self._corrections.is_not_billed(owner, model.lower()):
                return Ladder(NOT_BILLED)
            name = self.canonical(provider, model)
            if name is not None:
                return self._ladder(name, self._resolver.tier(tier))
        known = any(owners) or self._resolver.provider(provider)
        return Ladder(UNKNOWN_MODEL if known else UNKNOWN_PROVIDER)

    def _ladder(self, name: tuple[str, str], tier: str | None) -> Ladder:
        """The standard cards, and over them, where they hold, those of the tier."""
        standard = self._cards[(*name, "")]
        tiered = self._cards.get((*name, tier), []) if tier else []
        fallback = "priced" if tier == "" else "tier_fallback"
        both = (*standard, *tiered)
        starts_ns = sorted({edge for card in both for edge in (card.valid_from_ns, card.valid_to_ns)} - {FOREVER_NS})
        steps = []
        for start_ns in starts_ns:
            found = _holding(tiered, start_ns)
            status = "priced" if found else fallback
            found = found or _holding(standard, start_ns)
            steps.append(Tariff.of(found, status) if found else None)
        return Ladder(None, tuple(starts_ns), tuple(steps))

    def _lay_over(self, card: Card) -> None:
        """Close what is open at the card's start, and drop what comes after."""
        key = (card.provider, card.model, card.tier)
        before = [
            replace(old, valid_to_ns=min(old.valid_to_ns, card.valid_from_ns))
            for old in self._cards[key]
            if old.valid_from_ns < card.valid_from_ns
        ]
        self._cards[key] = [*before, card]


def _holding(cards: Iterable[Card], at_ns: int) -> Card | None:
    return next((card for card in cards if card.valid_from_ns <= at_ns < card.valid_to_ns), None)
