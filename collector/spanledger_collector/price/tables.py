"""The catalogue as tables: ``price_card`` and ``price_rate``, what raw names lead to, and the rates of display.

Nothing is ever taken out of them: each row says of which catalogue version it is, and when it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from spanledger_collector.price.card import FOREVER_NS, KINDS, NS_PER_SECOND, Card
from spanledger_collector.price.catalogue import ALWAYS_NS, Catalogue

LAST_SECOND = 10_413_791_999
"""2299-12-31T23:59:59Z, the last that ClickHouse's DateTime64 holds: ``valid_to`` of an open card."""

_CARD_COLUMNS = (
    "card_id", "provider", "model", "tier", "valid_from", "valid_to", "bands", "slots", "source", "source_version",
    "catalogue_version",
)  # fmt: skip
_RATE_COLUMNS = ("card_id", "band", "slot", *KINDS)
ALIAS_COLUMNS = (
    "catalogue_version", "provider", "response_model", "request_model", "service_tier", "valid_from", "card_id",
    "price_status",
)  # fmt: skip
RawNames = tuple[str, str, str, str]
"""Provider, response model, request model and service tier, as on the rows of ``calls``."""


class Result(Protocol):
    """An answer of the store."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Its rows."""


class Store(Protocol):
    """What is asked of the store here: ``export.store.Store``."""

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Result:
        """Run a SELECT."""

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement that answers nothing."""

    def insert(self, table: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """Insert ``values``, one sequence a column."""


def record(store: Store, catalogue: Catalogue) -> None:
    """Write the catalogue's cards, unless this version is there already."""
    version = catalogue.version
    known = store.query(
        "SELECT count() FROM (SELECT 1 FROM price_card WHERE catalogue_version = {version:String} LIMIT 1)",
        {"version": version},
    )
    if known.rows[0][0]:
        return
    cards = list(catalogue.cards())
    _insert(store, "price_rate", _RATE_COLUMNS, (row for card in cards for row in _rates(card)))
    if catalogue.display is not None:
        currency = catalogue.display.currency
        _insert(
            store,
            "display_rate",
            ("currency", "valid_from", "rate", "catalogue_version"),
            ((currency, from_ns // NS_PER_SECOND, rate, version) for from_ns, rate in catalogue.display.rates),
        )
    # The cards last: where they are, all is.
    _insert(store, "price_card", _CARD_COLUMNS, (_card(card, version) for card in cards))


def record_names(store: Store, catalogue: Catalogue, names: Iterable[RawNames]) -> None:
    """Write what raw names lead to in this catalogue, so that SQL can join it."""
    rows = []
    for provider, response_model, request_model, tier in names:
        ladder = catalogue.ladder((provider, (response_model, request_model), tier))
        for start_ns, step in zip(ladder.starts_ns, ladder.steps, strict=True):
            card_id, status = step.card_id, step.status
            at_ns = 0 if start_ns == ALWAYS_NS else start_ns
            rows.append((catalogue.version, provider, response_model, request_model, tier, at_ns, card_id, status))
    _insert(store, "price_alias", ALIAS_COLUMNS, rows)


def _card(card: Card, catalogue_version: str) -> tuple[Any, ...]:
    valid_to = LAST_SECOND if card.valid_to_ns == FOREVER_NS else card.valid_to_ns // NS_PER_SECOND
    return (
        card.card_id, card.provider, card.model, card.tier, card.valid_from_ns // NS_PER_SECOND, valid_to,
        card.bands, card.slots, card.source, card.catalogue_version, catalogue_version,
    )  # fmt: skip


def _rates(card: Card) -> Iterable[tuple[Any, ...]]:
    for band, slots in enumerate(card.rates):
        for slot, rates in enumerate(slots):
            yield (card.card_id, band, slot, *rates)


def _insert(store: Store, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    store.insert(table, columns, list(zip(*rows, strict=True)))
