"""The seam of this stage: ``Catalogue.price``, one lookup by name and time and one sum a call."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from genai_prices.types import Provider

from spanledger_collector.names import shipped_names
from spanledger_collector.price.base import base_list
from spanledger_collector.price.card import FOREVER_NS, Card, make_card
from spanledger_collector.price.charge import (
    NOT_BILLED,
    UNKNOWN_MODEL,
    UNKNOWN_PROVIDER,
    Price,
    Tariff,
    Usage,
    charge,
)
from spanledger_collector.price.compile import compile_cards
from spanledger_collector.price.leaps import Confirm, confirm_leaps, refuse
from spanledger_collector.price.names import Resolver
from spanledger_collector.price.overrides import (
    SOURCE,
    Display,
    Multiplier,
    Overrides,
    read_overrides,
    shipped_corrections,
)

NAMES_REMEMBERED = 65_536
"""Names come from clients: the memory of them is bounded, and starts anew when it is full."""
ALWAYS_NS = -(2**63)
"""Before every call."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """What one spelling of (provider, models, tier) costs over time: ``steps[i]`` from ``starts_ns[i]`` on.

    The first start is before every call. A step is a tariff to charge by, or the answer itself.
    """

    starts_ns: tuple[int, ...]
    steps: tuple[Tariff | Price, ...]


class Catalogue:
    """Prices of all known models, and the memory of which names meant which.

    ``version`` names the whole of it, cards and rules: two catalogues of one version price every call the same.
    """

    def __init__(
        self, cards: Iterable[Card], providers: Sequence[Provider], layers: Sequence[Overrides], release: str
    ) -> None:
        self._cards: dict[tuple[str, str, str], list[Card]] = defaultdict(list)
        self._layers = layers
        self._resolver = Resolver(shipped_names(), providers, layers)
        self._ladders: dict[tuple[str, tuple[str, ...], str], Ladder] = {}
        self.ready: dict[tuple[str, tuple[str, ...], str], object] = {}
        """What ``compiled_calls`` made of the ladders."""
        for card in cards:
            self._cards[card.provider, card.model, card.tier].append(card)
        for layer in layers:
            for multiplier in layer.multipliers:
                self._multiply(multiplier, layer.version)
            for card in layer.cards:
                self._lay_over(card)
        own = "".join(layer.version for layer in layers)
        self.version = f"{release} {blake2b(own.encode(), digest_size=4).hexdigest()}"

    @classmethod
    def load(cls, prices: Path | None = None, base: Path | None = None, confirm: Confirm = refuse) -> Catalogue:
        """The price list under the corrections that ship with us and an operator's own; takes about half a second.

        ``prices`` is the operator's file, ``base`` a newer genai-prices ``data.json`` that stands in for the
        installed one where it exists. ``confirm`` is asked about each price that is a thousand times off.

        Raises:
            BadInputError: a file that cannot be read, has a mistake, or a price that was not confirmed.
        """
        providers, release = base_list(base)
        shipped = shipped_corrections()
        catalogue = cls(compile_cards(providers, release), providers, [shipped], release)
        if prices is None:
            return catalogue
        own = read_overrides(prices)
        confirm_leaps(own, catalogue.holding, confirm)
        return cls(compile_cards(providers, release), providers, [shipped, own], release)

    def price(self, provider: str, models: Sequence[str], at_ns: int, usage: Usage, tier: str = "") -> Price:
        """What a call cost that began at ``at_ns`` (nanoseconds since the epoch).

        ``models`` are raw names in order of preference (response model, request model): the first that is
        known counts. ``provider`` and ``tier`` are raw names too, '' where the span names none. Never
        raises; ``Price`` lists the statuses.
        """
        key = (provider, tuple(models), tier)
        ladder = self._ladders.get(key) or self.ladder(key)
        steps = ladder.steps
        step = steps[0] if len(steps) == 1 else steps[bisect_right(ladder.starts_ns, at_ns) - 1]
        return charge(step, at_ns, usage) if type(step) is Tariff else step  # type: ignore[return-value]

    def ladder(self, key: tuple[str, tuple[str, ...], str]) -> Ladder:
        """What raw names (provider, models, tier) cost over time; remembered, also where they lead nowhere."""
        ladder = self._ladders.get(key)
        if ladder is None:
            if len(self._ladders) >= NAMES_REMEMBERED:
                self._ladders.clear()
            ladder = self._ladders[key] = self._find(*key)
        return ladder

    def canonical(self, provider: str, model: str) -> tuple[str, str] | None:
        """The (provider, model) that raw names mean, aliases aside, or None where there is no card for them."""
        owner = self._owner(provider, model)
        name = self._resolver.model(owner, model) if owner else None
        return (owner, name) if owner and name and (owner, name, "") in self._cards else None

    def cards(self) -> Iterator[Card]:
        """Every card, in order of time within one (provider, model, tier)."""
        return (card for cards in self._cards.values() for card in cards)

    def holding(self, provider: str, model: str, tier: str, at_ns: int) -> Card | None:
        """The card of canonical names at an instant."""
        return _holding(self._cards.get((provider, model, tier), ()), at_ns)

    @property
    def display(self) -> Display | None:
        """The currency to show beside US dollars, if an operator named one."""
        return next((layer.display for layer in reversed(self._layers) if layer.display), None)

    def _owner(self, provider: str, model: str) -> str | None:
        """The canonical provider of a call; '' when nothing names one, None when its name is unknown."""
        owner = self._resolver.provider(provider)
        return self._resolver.provider_of(model) if owner == "" else owner

    def _find(self, provider: str, models: tuple[str, ...], tier: str) -> Ladder:
        owned = [(model, self._owner(provider, model)) for model in models if model]
        aliases = {alias.from_ns for model, owner in owned if owner for alias in self._resolver.aliases(owner, model)}
        starts_ns: list[int] = []
        steps: list[Tariff | Price] = []
        for start_ns, end_ns in _intervals(sorted({ALWAYS_NS, *aliases})):
            for step_ns, step in self._meaning(provider, owned, tier, start_ns):
                if step_ns < end_ns:
                    starts_ns.append(max(step_ns, start_ns))
                    steps.append(step)
        # Steps that begin at one instant replace each other: the last is what holds.
        kept = [n for n, start_ns in enumerate(starts_ns) if n + 1 == len(starts_ns) or starts_ns[n + 1] > start_ns]
        return Ladder(tuple(starts_ns[n] for n in kept), tuple(steps[n] for n in kept))

    def _meaning(
        self, provider: str, owned: Sequence[tuple[str, str | None]], tier: str, at_ns: int
    ) -> Iterator[tuple[int, Tariff | Price]]:
        """The steps that the names lead to, as they are to be understood at ``at_ns``; the first from ever on."""
        for model, owner in owned:
            alias = owner and next((a for a in self._resolver.aliases(owner, model) if a.from_ns <= at_ns), None)
            meant = alias.to if alias else (owner or "", model)
            if any(layer.is_not_billed(meant[0], meant[1].lower()) for layer in self._layers):
                return iter([(ALWAYS_NS, NOT_BILLED)])
            name = self.canonical(*meant) if alias else self.canonical(provider, model)
            if name is not None:
                return self._steps(name, self._resolver.tier(tier))
        known = any(owner for _, owner in owned) or self._resolver.provider(provider)
        return iter([(ALWAYS_NS, UNKNOWN_MODEL if known else UNKNOWN_PROVIDER)])

    def _steps(self, name: tuple[str, str], tier: str | None) -> Iterator[tuple[int, Tariff | Price]]:
        """The standard cards, and over them, where they hold, those of the tier."""
        standard = self._cards[(*name, "")]
        tiered = self._cards.get((*name, tier), []) if tier else []
        fallback = "priced" if tier == "" else "tier_fallback"
        edges_ns = {edge for card in (*standard, *tiered) for edge in (card.valid_from_ns, card.valid_to_ns)}
        for start_ns in sorted({ALWAYS_NS, *edges_ns} - {FOREVER_NS}):
            found = _holding(tiered, start_ns)
            status = "priced" if found else fallback
            found = found or _holding(standard, start_ns)
            yield start_ns, Tariff.of(found, status) if found else UNKNOWN_MODEL

    def _lay_over(self, card: Card) -> None:
        """Put a card in the place of what was there in its interval."""
        key = (card.provider, card.model, card.tier)
        pieces = [piece for old in self._cards[key] for piece in _outside(old, card.valid_from_ns, card.valid_to_ns)]
        self._cards[key] = sorted((*pieces, card), key=lambda piece: piece.valid_from_ns)

    def _multiply(self, multiplier: Multiplier, version: str) -> None:
        """Put multiplied cards in the place of all of the provider's in the interval."""
        from_ns, to_ns = multiplier.from_ns, multiplier.to_ns
        for card in [card for card in self.cards() if card.provider == multiplier.provider]:
            inside_ns = (max(card.valid_from_ns, from_ns), min(card.valid_to_ns, to_ns))
            if inside_ns[0] < inside_ns[1]:
                self._lay_over(_multiplied(card, inside_ns, multiplier, version))


def _holding(cards: Iterable[Card], at_ns: int) -> Card | None:
    return next((card for card in cards if card.valid_from_ns <= at_ns < card.valid_to_ns), None)


def _intervals(starts_ns: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(starts_ns, (*starts_ns[1:], FOREVER_NS), strict=True)


def _outside(card: Card, from_ns: int, to_ns: int) -> Iterator[Card]:
    """What is left of a card when an interval is cut out of its own."""
    if card.valid_from_ns < from_ns:
        yield replace(card, valid_to_ns=min(card.valid_to_ns, from_ns))
    if card.valid_to_ns > to_ns:
        yield replace(card, valid_from_ns=max(card.valid_from_ns, to_ns))


def _multiplied(card: Card, interval_ns: tuple[int, int], multiplier: Multiplier, version: str) -> Card:
    rates = tuple(
        tuple(tuple(rate if rate is None else round(rate * multiplier.factor) for rate in slot) for slot in band)
        for band in card.rates
    )
    content = (card.bands, card.slots, rates)
    name = (card.provider, card.model)
    return make_card(name, card.tier, interval_ns, content, source=SOURCE, catalogue_version=version)
