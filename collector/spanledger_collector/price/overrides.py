"""Our own word on prices, laid over the catalogue: one YAML format for what ships and for what an operator writes.

``docs/prices.md`` describes the format. A mistake raises ``BadInputError`` that names the file, the line and the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from hashlib import blake2b
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from genai_prices.types import ModelPrice, Tier, TieredPrices

from spanledger_collector.errors import BadInputError
from spanledger_collector.price.card import FOREVER_NS, SECONDS_PER_DAY, Card, RateTable, make_card
from spanledger_collector.price.compile import CHAINS, TIERS, flatten
from spanledger_collector.price.located import Place

SOURCE = "override"
CORRECTIONS_FILE = "corrections.yaml"
PRICE_KEY_OF_FIELD = {kind: chain[0].price_key for kind, chain in CHAINS.items()} | {"cache_write": "cache_write_mtok"}
"""What a price may be given for: the kinds, and cache writes of either life. In US dollars per million
tokens, or per thousand of ``web_search`` and ``request``, as the catalogue has it."""


@dataclass(frozen=True, slots=True)
class Alias:
    """From ``from_ns`` on, the raw ``model`` of ``provider`` means the (provider, model) ``to``."""

    provider: str
    model: str
    is_prefix: bool
    to: tuple[str, str]
    from_ns: int

    def meets(self, names: Sequence[str]) -> bool:
        """Whether one of the spellings (lower case) of a model is meant."""
        return any(name.startswith(self.model) if self.is_prefix else name == self.model for name in names)


@dataclass(frozen=True, slots=True)
class Multiplier:
    """All that ``provider`` charges, times ``factor``, in [from_ns, to_ns): a discount, or a reseller's fee."""

    provider: str
    factor: Fraction
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Display:
    """The currency to show money in beside US dollars; ``rates`` are (from_ns, units of it for one dollar), rising."""

    currency: str
    rates: tuple[tuple[int, Decimal], ...]

    def rate(self, at_ns: int) -> Decimal | None:
        """The rate at an instant; None before the first."""
        return next((rate for from_ns, rate in reversed(self.rates) if from_ns <= at_ns), None)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one file lays over the catalogue; ``not_billed`` are (provider, model pattern).

    ``places`` says for the id of each card where in the file it stands, and whether it is confirmed there.
    """

    version: str
    providers: Mapping[str, str]
    aliases: tuple[Alias, ...]
    cards: tuple[Card, ...]
    not_billed: tuple[tuple[str, str], ...]
    multipliers: tuple[Multiplier, ...]
    display: Display | None
    places: Mapping[str, tuple[str, bool]]

    def is_not_billed(self, provider: str, model: str) -> bool:
        """Whether a rule says that nobody is charged for this model; a price of its own outranks a pattern."""
        own = any(card.provider == provider and card.model.lower() == model for card in self.cards)
        return not own and any(provider == rule[0] and fnmatchcase(model, rule[1]) for rule in self.not_billed)


def shipped_corrections() -> Overrides:
    """``corrections.yaml``, which ships with us."""
    text = files("spanledger_schemas").joinpath("prices", CORRECTIONS_FILE).read_text(encoding="utf-8")
    return parse_overrides(text, CORRECTIONS_FILE)


def read_overrides(path: Path) -> Overrides:
    """An operator's file.

    Raises:
        BadInputError: it cannot be read, or has a mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInputError(f"the price file {path} cannot be read: {reason} (--prices or SPANLEDGER_PRICES)") from None
    return parse_overrides(text, str(path))


def parse_overrides(text: str, file: str) -> Overrides:
    """The rules in ``text``; ``file`` is its name for messages. Raises ``BadInputError`` at the first mistake."""
    top = Place.top(text, file)
    top.only("providers", "aliases", "prices", "multipliers", "display")
    cards: list[Card] = []
    not_billed: list[tuple[str, str]] = []
    places: dict[str, tuple[str, bool]] = {}
    version = f"{Path(file).name} {blake2b(text.encode(), digest_size=4).hexdigest()}"
    for entry in top.each("prices"):
        entry.only("provider", "model", "tier", "reason", "status", "cards", "confirmed")
        name, _ = (entry.text("provider"), entry.text("model")), entry.text("reason")
        if entry.table.get("status") == "not_billed" and "cards" not in entry.table:
            not_billed.append((name[0], name[1].lower()))
            continue
        if "status" in entry.table or not entry.table.get("cards"):
            raise entry.mistake("give either cards, or status: not_billed", "status")
        for card, place in _cards(entry, name, version):
            places[card.card_id] = (place.where(), entry.flag("confirmed"))
            cards.append(card)
    _no_overlap(cards, places)
    return Overrides(
        version=version,
        providers=_providers(top),
        aliases=tuple(map(_alias, top.each("aliases"))),
        cards=tuple(cards),
        not_billed=tuple(not_billed),
        multipliers=tuple(map(_multiplier, top.each("multipliers"))),
        display=_display(top.inner("display")) if "display" in top.table else None,
        places=places,
    )


def _providers(top: Place) -> dict[str, str]:
    if "providers" not in top.table:
        return {}
    names = top.inner("providers")
    return {raw.lower(): names.text(raw) for raw in names.table}


def _alias(entry: Place) -> Alias:
    entry.only("provider", "model", "model_prefix", "to", "from", "reason")
    field = "model_prefix" if "model_prefix" in entry.table else "model"
    target = entry.inner("to")
    target.only("provider", "model")
    provider = entry.text("provider")
    return Alias(
        provider=provider,
        model=entry.text(field).lower(),
        is_prefix=field == "model_prefix",
        to=(target.text("provider", provider), target.text("model")),
        from_ns=entry.instant_ns("from", 0),
    )


def _multiplier(entry: Place) -> Multiplier:
    entry.only("provider", "factor", "from", "to", "reason")
    entry.text("reason")
    from_ns, to_ns = entry.instant_ns("from", 0), entry.instant_ns("to", FOREVER_NS)
    if from_ns >= to_ns:
        raise entry.mistake("it must come after from", "to")
    return Multiplier(entry.text("provider"), Fraction(entry.amount("factor")), from_ns, to_ns)


def _display(entry: Place) -> Display:
    entry.only("currency", "rates")
    rates = []
    for rate in entry.each("rates"):
        rate.only("from", "rate")
        rates.append((rate.instant_ns("from"), rate.amount("rate")))
        if rates[-1][1] == 0 or (len(rates) > 1 and rates[-2][0] >= rates[-1][0]):
            raise rate.mistake("rates must be more than 0, and from must rise from rate to rate", "from")
    if not rates:
        raise entry.mistake("give at least one rate", "rates")
    return Display(entry.text("currency"), tuple(rates))


def _cards(entry: Place, name: tuple[str, str], version: str) -> Iterator[tuple[Card, Place]]:
    places = entry.each("cards")
    tier = entry.text("tier", "")
    if tier not in ("", *TIERS):
        raise entry.mistake(f"there is no tier {tier!r}; there are {', '.join(TIERS)}", "tier")
    starts_ns = [place.instant_ns("valid_from") for place in places]
    if starts_ns != sorted(set(starts_ns)):
        raise entry.mistake("valid_from must rise from card to card", "cards")
    for place, start_ns, next_ns in zip(places, starts_ns, (*starts_ns[1:], FOREVER_NS), strict=True):
        end_ns = place.instant_ns("valid_to", next_ns)
        if not start_ns < end_ns <= next_ns:
            raise place.mistake("it must come after valid_from, and not after the next card's", "valid_to")
        content = _content(place)
        yield make_card(name, tier, (start_ns, end_ns), content, source=SOURCE, catalogue_version=version), place


def _content(place: Place) -> tuple[tuple[int, ...], tuple[int, ...], RateTable]:
    base = _prices(place, "valid_from", "valid_to", "slots", "bands")
    windows = [(*_window_seconds(slot), base | _prices(slot, "utc")) for slot in place.each("slots")]
    windows.sort(key=lambda window: window[0])
    banded = [(band.whole("above_input_tokens"), _prices(band, "above_input_tokens")) for band in place.each("bands")]
    if any(end > start for (_, end, _), (start, _, _) in pairwise(windows)):
        raise place.mistake("two of them overlap", "slots")
    if banded and windows:
        raise place.mistake("give either bands or slots, a price cannot depend on both here", "bands")
    if not base or any(band.keys() - base.keys() for _, band in banded):
        raise place.mistake("the card itself must have a price, and one for each kind that its bands price")
    edges = sorted({edge % SECONDS_PER_DAY for start, end, _ in windows for edge in (start, end)} - {0})
    price_lists = [
        next((prices for start, end, prices in windows if start <= second < end), base) for second in (0, *edges)
    ]
    bands, rates = flatten([_model_price(prices, banded) for prices in price_lists])
    return bands, tuple(edges), rates


def _prices(place: Place, *others: str) -> dict[str, Decimal]:
    place.only(*PRICE_KEY_OF_FIELD, *others)
    return {key: place.amount(field) for field, key in PRICE_KEY_OF_FIELD.items() if field in place.table}


def _model_price(prices: Mapping[str, Decimal], banded: Sequence[tuple[int, Mapping[str, Decimal]]]) -> ModelPrice:
    def price(key: str) -> Decimal | TieredPrices:
        tiers = [Tier(above, band[key]) for above, band in banded if key in band]
        return TieredPrices(prices[key], tiers) if tiers else prices[key]

    return ModelPrice(**{key: price(key) for key in prices})


def _window_seconds(slot: Place) -> tuple[int, int]:
    try:
        start, end = (int(hours) * 3600 + int(minutes) * 60 for hours, minutes in map(_clock, slot.table["utc"]))
    except (KeyError, TypeError, ValueError):
        start = end = 0
    if not 0 <= start < end <= SECONDS_PER_DAY:
        raise slot.mistake("write two times of one day, like ['01:00', '04:00']", "utc")
    return start, end


def _clock(text: str) -> list[str]:
    return text.split(":")


def _no_overlap(cards: Sequence[Card], places: Mapping[str, tuple[str, bool]]) -> None:
    """Two entries of one file must not price the same thing at the same time."""
    ordered = sorted(cards, key=lambda card: (card.provider, card.model, card.tier, card.valid_from_ns))
    for card, following in pairwise(ordered):
        same = (card.provider, card.model, card.tier) == (following.provider, following.model, following.tier)
        if same and following.valid_from_ns < card.valid_to_ns:
            raise BadInputError(
                f"{places[following.card_id][0]}: it overlaps with the card at {places[card.card_id][0]}"
            )
