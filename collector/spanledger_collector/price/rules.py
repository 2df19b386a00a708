"""Our own word on names and prices: the YAML files in ``schemas/prices``, read and checked.

``names.yaml`` says who is meant by a provider's or a tier's name, ``corrections.yaml`` what the catalogue
cannot say. A mistake raises ``BadInputError`` that names the file, the entry and the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import yaml
from genai_prices.types import ModelPrice

from spanledger_collector.errors import BadInputError
from spanledger_collector.price.card import FOREVER_NS, NS_PER_SECOND, SECONDS_PER_DAY, Card, make_card
from spanledger_collector.price.compile import CHAINS, flatten

NAMES_FILE = "names.yaml"
CORRECTIONS_FILE = "corrections.yaml"

PRICE_KEY_OF_FIELD = {kind: chain[0].price_key for kind, chain in CHAINS.items()} | {"cache_write": "cache_write_mtok"}
"""What a price may be given for: the kinds, and cache writes of either life. In US dollars per million
tokens, or per thousand of ``web_search`` and ``request``, as the catalogue has it."""


@dataclass(frozen=True, slots=True)
class Names:
    """The tables of ``names.yaml``; every key is lower case."""

    providers: Mapping[str, str]
    interfaces: frozenset[str]
    not_providers: frozenset[str]
    families: tuple[tuple[re.Pattern[str], str], ...]
    tiers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Corrections:
    """What ``corrections.yaml`` lays over the catalogue; ``not_billed`` are (provider, model pattern)."""

    cards: tuple[Card, ...]
    not_billed: tuple[tuple[str, str], ...]

    def is_not_billed(self, provider: str, model: str) -> bool:
        """Whether a rule says that nobody is charged for this model."""
        return any(provider == rule[0] and fnmatchcase(model, rule[1]) for rule in self.not_billed)


def shipped(name: str) -> Mapping[str, Any]:
    """The content of a file of ``schemas/prices``."""
    text = files("spanledger_schemas").joinpath("prices", name).read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


def read_names(content: Mapping[str, Any]) -> Names:
    """The tables of a names file."""
    return Names(
        providers=_spellings(content["providers"]),
        interfaces=frozenset(content["interfaces"]),
        not_providers=frozenset(content["not_providers"]),
        families=tuple((re.compile(family["name"]), family["provider"]) for family in content["families"]),
        tiers=_spellings(content["tiers"]),
    )


def _spellings(table: Mapping[str, list[str]]) -> dict[str, str]:
    return {spelling: canonical for canonical, others in table.items() for spelling in (canonical, *others)}


def read_corrections(content: Mapping[str, Any], file_name: str) -> Corrections:
    """The cards and rules of a corrections file; raises ``BadInputError`` at the first mistake."""
    cards: list[Card] = []
    not_billed: list[tuple[str, str]] = []
    for index, entry in enumerate(content["prices"]):
        where = f"{file_name}: prices[{index}]"
        for field in ("provider", "model", "reason"):
            if not isinstance(entry.get(field), str):
                raise BadInputError(f"{where}: {field} is missing; write it as a text")
        where += f" ({entry['provider']}/{entry['model']})"
        if entry.get("status") == "not_billed":
            not_billed.append((entry["provider"], entry["model"]))
        elif entry.get("cards"):
            cards.extend(_cards(entry, file_name, where))
        else:
            raise BadInputError(f"{where}: give either cards, or status: not_billed")
    return Corrections(tuple(cards), tuple(not_billed))


def _cards(entry: Mapping[str, Any], file_name: str, where: str) -> Iterator[Card]:
    starts_ns = [_instant_ns(card.get("valid_from"), f"{where}: cards[{n}]") for n, card in enumerate(entry["cards"])]
    if starts_ns != sorted(set(starts_ns)):
        raise BadInputError(f"{where}: valid_from must rise from card to card")
    ends_ns = (*starts_ns[1:], FOREVER_NS)
    for number, (card, *interval_ns) in enumerate(zip(entry["cards"], starts_ns, ends_ns, strict=True)):
        place = f"{where}: cards[{number}]"
        base = _price_list(card, place, {"valid_from", "slots"})
        windows = [
            (
                _window_seconds(slot, f"{place}: slots[{n}]"),
                _price_list(slot, f"{place}: slots[{n}]", {"utc"}),
            )
            for n, slot in enumerate(card.get("slots", ()))
        ]
        edges = sorted({edge % SECONDS_PER_DAY for window, _ in windows for edge in window} - {0})
        price_lists = [
            next((prices for (start, end), prices in windows if start <= second < end), base) for second in (0, *edges)
        ]
        bands, rates = flatten(price_lists)
        yield make_card(
            (entry["provider"], entry["model"]),
            entry.get("tier", ""),
            (interval_ns[0], interval_ns[1]),
            (bands, tuple(edges), rates),
            source="override",
            catalogue_version=file_name,
        )


def _price_list(entry: Mapping[str, Any], where: str, others: set[str]) -> ModelPrice:
    prices = {}
    for field, value in entry.items():
        if field in others:
            continue
        if field not in PRICE_KEY_OF_FIELD:
            known = ", ".join(sorted({*PRICE_KEY_OF_FIELD, *others}))
            raise BadInputError(f"{where}: {field} is no field of a price; known are {known}")
        prices[PRICE_KEY_OF_FIELD[field]] = _amount(value, f"{where}: {field}")
    return ModelPrice(**prices)


def _amount(value: object, where: str) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise BadInputError(f"{where}: {value!r} is no price; write US dollars as a quoted text, like '0.435'")
    return amount


def _instant_ns(value: object, where: str) -> int:
    if not isinstance(value, datetime):
        raise BadInputError(f"{where}: valid_from must be a time like 2026-08-16T16:00:00Z")
    instant = value if value.tzinfo else value.replace(tzinfo=UTC)
    return int(instant.timestamp()) * NS_PER_SECOND


def _window_seconds(slot: Mapping[str, Any], where: str) -> tuple[int, int]:
    try:
        start, end = (int(hours) * 3600 + int(minutes) * 60 for hours, minutes in map(_clock, slot["utc"]))
    except (KeyError, TypeError, ValueError):
        start = end = 0
    if not 0 <= start < end <= SECONDS_PER_DAY:
        raise BadInputError(f"{where}: utc must be two times of one day, like ['01:00', '04:00']")
    return start, end


def _clock(text: str) -> list[str]:
    return text.split(":")
