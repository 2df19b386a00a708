"""The seams of this stage: what it asks of a store, and what the command line and the API ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Result(Protocol):
    """The rows of an answer; each row has one value a column, money as ``Decimal``, unknown as ``None``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The rows, in the order of the answer."""


class Store(Protocol):
    """Whatever can run a statement on the ledger's tables."""

    def query(self, sql: str, parameters: dict[str, Any]) -> Result:
        """Run a statement with ClickHouse placeholders (``{name:Type}``) bound to ``parameters``.

        Raises:
            StoreUnavailableError: the store did not answer.
        """


class Asker(Protocol):
    """Whatever can answer a question of the library: an open store, or the API of a running collector."""

    def ask(self, name: str, texts: Mapping[str, str]) -> Result:
        """Answer the question ``name``; ``texts`` are its parameters as written, since and until among them.

        Raises:
            UnknownQueryError: no question has that name.
            BadParameterError: the question does not take a parameter, or not that value.
            StoreUnavailableError: the store or the collector did not answer.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """A ``Result`` held in memory."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
