"""Which of the stages' twins are in use: the compiled ones, where they were built, or those in pure Python.

The hot stages exist twice, side by side in their rooms: in Python, which says what is right and runs everywhere, and
in Cython (``*.pyx``), built at installation where a C compiler is. A test holds each pair together, row for row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

PURE = os.environ.get("SPANLEDGER_PURE", "") not in ("", "0")
"""``SPANLEDGER_PURE=1`` leaves the compiled twins aside: to find out whether one of them is to blame."""


def twin(module: str) -> Any:
    """The compiled module of this name, below this package; ``None`` where the pure one is to do the work."""
    return None if PURE else _imported(module)


@cache
def _imported(module: str) -> Any:
    try:
        return import_module(f"spanledger_collector.{module}")
    except ModuleNotFoundError:
        return None


def missing() -> str:
    """Why the pure stages do the work, for an operator who wonders about the speed; '' where the compiled ones do."""
    if PURE:
        return "SPANLEDGER_PURE is set: all stages run in Python, several times slower"
    if _imported("decode.compiled_decoder") is None:
        return "all stages run in Python, several times slower: the installation found no C compiler"
    return ""


def taken_over(functions: dict[str, Any], module: str, *names: str) -> dict[str, Callable[..., Any]]:
    """Put the functions of these names of a twin in the place of those in ``functions``, a module's globals.

    What is returned are those of the module itself, which say what is right.
    """
    pure = {name: functions[name] for name in names}
    compiled = twin(module)
    if compiled is not None:
        functions.update({name: getattr(compiled, name) for name in names})
    return pure
