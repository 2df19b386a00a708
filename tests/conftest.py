"""What holds for all tests: the long form of fault and fuzz runs is asked for by ``--run-slow``."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes says what else the machine does, and nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--run-slow``, as `make test-long` gives it."""
    parser.addoption("--run-slow", action="store_true", help="run the tests that are marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked slow, and say how to run it."""
    if not config.getoption("--run-slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run it with --run-slow, or `make test-long`"))
