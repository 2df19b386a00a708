"""What the price tests share: one loaded catalogue, and instants as the code takes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from spanledger_collector.price import Catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue as it ships."""
    return Catalogue.load()


@pytest.fixture(scope="session")
def at_ns() -> Callable[[str], int]:
    """ISO 8601 to nanoseconds since the epoch; a time without a zone is UTC."""

    def convert(text: str) -> int:
        instant = datetime.fromisoformat(text)
        return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000

    return convert
