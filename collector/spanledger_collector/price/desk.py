"""What an operator asks of prices, in the process that holds the store: load them, and re-price by them.

``web.client.ApiPriceDesk`` asks the same of a running collector.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.leaps import Confirm, refuse
from spanledger_collector.price.reprice import Interval, ModelTotal, Repricer, Repricing
from spanledger_collector.price.tables import Store, record


@dataclass(frozen=True, slots=True)
class Loaded:
    """A catalogue in use: its version, how many cards it has, and the operator's file, '' where there is none."""

    catalogue_version: str
    cards: int
    prices: str


class PriceDesk:
    """The price files, the store, and whoever prices new calls: ``use`` is told of each catalogue that is loaded."""

    def __init__(self, store: Store, prices: Path | None, newer_price_list: Path) -> None:
        self.use: Callable[[Catalogue], None] = _nobody
        self.in_use: Catalogue | None = None
        self._store = store
        self._prices = prices
        self._newer_price_list = newer_price_list
        self._one_at_a_time = threading.Lock()

    def load(self, confirm: Confirm = refuse) -> Catalogue:
        """The catalogue as the files have it now, recorded in the store's price tables.

        Raises:
            BadInputError: a price file has a mistake; what was in use stays in use.
        """
        catalogue = Catalogue.load(self._prices, self._newer_price_list, confirm)
        record(self._store, catalogue)
        self.in_use = self.in_use or catalogue
        return catalogue

    def reload(self, confirm: Confirm = refuse) -> Loaded:
        """Price new calls by what the files have now."""
        self._take(self.load(confirm))
        return self.status()

    def status(self) -> Loaded:
        """What new calls are priced by."""
        catalogue = self.in_use or self.load()
        return Loaded(catalogue.version, sum(1 for _ in catalogue.cards()), str(self._prices or ""))

    def plan(self, interval: Interval, confirm: Confirm = refuse) -> list[ModelTotal]:
        """What re-pricing the interval would change; nothing is, nor what new calls are priced by."""
        catalogue = self.load(confirm)
        with self._one_at_a_time:
            return Repricer(self._store, catalogue).plan(interval)

    def reprice(self, interval: Interval, confirm: Confirm = refuse) -> Repricing:
        """Re-price the interval, and price new calls by the same catalogue."""
        catalogue = self.load(confirm)
        self._take(catalogue)
        with self._one_at_a_time:
            return Repricer(self._store, catalogue).commit(interval)

    def undo(self, repricing_id: int) -> Repricing:
        """Take a re-pricing back."""
        with self._one_at_a_time:
            return Repricer(self._store, self.load()).undo(repricing_id)

    def _take(self, catalogue: Catalogue) -> None:
        self.use(catalogue)
        self.in_use = catalogue


def _nobody(_: Catalogue) -> None:
    """For a process that prices no new calls."""
