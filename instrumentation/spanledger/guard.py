"""Telemetry never breaks the caller: an error inside spanledger is logged once and goes no further."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("spanledger")

_reported: set[tuple[str, str]] = set()


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """Make ``function`` return None where it would raise an ``Exception``."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            report_once(error)
            return None

    return call


def report_once(error: Exception) -> None:
    """Log where an instrumentation error happened, the first time it happens there.

    The error's own text stays out of the log: it may quote a prompt or a completion.
    """
    place = _place(error)
    key = (place, type(error).__name__)
    if key in _reported:
        return
    _reported.add(key)
    logger.warning(
        "spanledger could not record a span (%s at %s); the application is not affected; said once",
        type(error).__name__,
        place,
    )


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
