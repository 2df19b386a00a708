"""The compiled twins are there where they can be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from spanledger_collector import compiled

Pure = Callable[[], AbstractContextManager[None]]


def test_where_a_compiler_is_every_twin_is_built_and_in_use(module: str) -> None:
    """An error in a twin's source would pass unseen otherwise: installation goes on without it."""
    assert compiled.twin(module) is not None


def test_the_switch_leaves_the_twins_aside(module: str, pure: Pure) -> None:
    """``SPANLEDGER_PURE=1`` is asked when the work is done."""
    with pure():
        assert compiled.twin(module) is None


def test_an_operator_is_told_where_the_pure_stages_work(pure: Pure) -> None:
    """Nothing else would say why a collector is several times slower than its neighbour."""
    assert compiled.missing() == ""
    with pure():
        assert "SPANLEDGER_PURE" in compiled.missing()
