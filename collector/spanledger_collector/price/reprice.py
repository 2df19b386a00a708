"""Re-pricing an interval of the ledger: what would change, the change with its audit, and its undoing.

The work is ClickHouse's, a portion of the ledger after another, so that memory is bounded and spans that arrive
meanwhile are taken. A portion that fails leaves a re-pricing that is marked incomplete and can be undone; running it
again completes it, as only rows that differ are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from spanledger_collector.errors import BadParameterError
from spanledger_collector.price import reprice_sql as sql
from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.tables import Store, record, record_names
from spanledger_collector.rolled_days import RolledDays

CALLS_PER_PORTION = 400_000
_REPRICING_COLUMNS = (
    "repricing_id", "undoes", "since", "until", "catalogue_version", "changed_calls", "old_cost_usd", "new_cost_usd",
    "complete",
)  # fmt: skip
_EPOCH = date(1970, 1, 1).toordinal()
_ID_SPACE = 1 << 32
"""Call ids are hex digests: their first eight digits divide a day evenly."""


@dataclass(frozen=True, slots=True)
class Interval:
    """[since, until), each as ``YYYY-MM-DD hh:mm:ss.nnnnnnnnn`` in UTC."""

    since: str
    until: str


@dataclass(frozen=True, slots=True)
class ModelTotal:
    """What a model's calls cost before and after, US dollars; None where no call has a cost."""

    provider: str
    model: str
    calls: int
    changed_calls: int
    old_cost_usd: Decimal | None
    new_cost_usd: Decimal | None
    old_unpriced_calls: int
    new_unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Repricing:
    """What a re-pricing, or an undoing, changed. ``left_calls`` could not be undone: they were rewritten since."""

    repricing_id: int
    catalogue_version: str
    changed_calls: int
    old_cost_usd: Decimal | None
    new_cost_usd: Decimal | None
    left_calls: int = 0


class Repricer:
    """Prices what is in ``store`` by ``catalogue``. One at a time."""

    def __init__(self, store: Store, catalogue: Catalogue, calls_per_portion: int = CALLS_PER_PORTION) -> None:
        self._store = store
        self._catalogue = catalogue
        self._calls_per_portion = calls_per_portion
        self._rolled_days = RolledDays(store)

    def plan(self, interval: Interval) -> list[ModelTotal]:
        """Old and new totals by model, the dearest first; nothing is written but what names lead to."""
        record(self._store, self._catalogue)
        sums: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, 0, None, None, 0, 0])
        for portion in self._portions(interval):
            for provider, model, *figures in self._store.query(sql.TOTALS_BY_MODEL, portion).rows:
                total = sums[provider, model]
                sums[provider, model] = [_plus(old, new) for old, new in zip(total, figures, strict=True)]
        totals = [ModelTotal(*names, *figures) for names, figures in sums.items()]
        return sorted(totals, key=lambda total: (-(total.new_cost_usd or 0), total.provider, total.model))

    def commit(self, interval: Interval) -> Repricing:
        """Write a new version of each row that differs, and the audit of it."""
        record(self._store, self._catalogue)
        repricing_id = self._next_id()
        self._audit(repricing_id, interval, complete=False)
        for portion in self._portions(interval):
            parameters = {**portion, "id": repricing_id}
            self._store.command(sql.RECORD_CHANGES, parameters)
            self._apply_changes(parameters)
        return self._audit(repricing_id, interval, complete=True)

    def undo(self, undone_id: int) -> Repricing:
        """Give each row that still is as a re-pricing left it its former figures.

        Raises:
            BadParameterError: there was no such re-pricing.
        """
        found = self._store.query(
            "SELECT toString(since), toString(until), changed_calls FROM repricing FINAL "
            "WHERE repricing_id = {id:UInt32}",
            {"id": undone_id},
        ).rows
        if not found:
            raise BadParameterError(f"there is no re-pricing {undone_id}; `spanledger query repricings` lists them")
        since, until, changed_calls = found[0]
        interval = Interval(since, until)
        repricing_id = self._next_id()
        self._audit(repricing_id, interval, complete=False, undoes=undone_id)
        for portion in self._portions(interval):
            parameters = {**portion, "id": repricing_id, "undone": undone_id}
            self._store.command(sql.RECORD_UNDOING, parameters)
            self._apply_changes(parameters)
        return self._audit(repricing_id, interval, complete=True, undoes=undone_id, expected_calls=changed_calls)

    def _apply_changes(self, portion: dict[str, Any]) -> None:
        first, last = (date.fromisoformat(portion[name]).toordinal() - _EPOCH for name in ("first_day", "last_day"))
        self._rolled_days.give_up(range(first, last + 1))
        self._store.command(sql.APPLY_CHANGES, portion)

    def _portions(self, interval: Interval) -> Iterator[dict[str, Any]]:
        """Parameters of the statements: whole days together as long as they are small, a large day by ranges of ids."""
        bounds = {"since": interval.since, "until": interval.until, "version": self._catalogue.version}
        days = self._store.query(sql.DAYS, bounds).rows
        first = 0
        while first < len(days):
            last, calls = first, days[first][1]
            while last + 1 < len(days) and calls + days[last + 1][1] <= self._calls_per_portion:
                last += 1
                calls += days[last][1]
            parts = -(-calls // self._calls_per_portion)
            edges = ["", *(f"{_ID_SPACE * part // parts:08x}" for part in range(1, parts)), ""]
            for first_id, end_id in pairwise(edges):
                portion = {
                    **bounds,
                    "first_day": days[first][0],
                    "last_day": days[last][0],
                    "first_id": first_id,
                    "end_id": end_id,
                }
                record_names(self._store, self._catalogue, self._store.query(sql.NEW_NAMES, portion).rows)
                yield portion
            first = last + 1

    def _next_id(self) -> int:
        return int(self._store.query("SELECT max(repricing_id) FROM repricing").rows[0][0]) + 1

    def _audit(
        self, repricing_id: int, interval: Interval, *, complete: bool, undoes: int = 0, expected_calls: int = 0
    ) -> Repricing:
        calls, old_cost_usd, new_cost_usd = self._store.query(sql.CHANGES, {"id": repricing_id}).rows[0]
        version = self._catalogue.version
        row = (
            repricing_id, undoes, _instant_ns(interval.since), _instant_ns(interval.until), version, calls,
            old_cost_usd, new_cost_usd, complete,
        )  # fmt: skip
        self._store.insert("repricing", _REPRICING_COLUMNS, [[value] for value in row])
        return Repricing(
            repricing_id, version, calls, old_cost_usd, new_cost_usd, max(expected_calls - calls, 0) if undoes else 0
        )


def _plus(one: Any, other: Any) -> Any:
    """The sum, where None is a sum of nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _instant_ns(text: str) -> int:
    seconds, _, nanoseconds = text.partition(".")
    whole = int(datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp())
    return whole * 10**9 + int(nanoseconds.ljust(9, "0") or 0)
