"""What a forked process must not share with its parent, and what it must not lose when it ends.

Sources: Python's ``os.register_at_fork``; the ends of ``multiprocessing`` children, which run no ``atexit`` functions.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Protocol
from weakref import ref

import wrapt
from opentelemetry.sdk.resources import Resource

INSTANCE_ID = "service.instance.id"

CHILD_MAKERS = ("multiprocessing.util", "billiard.util")
"""Modules that fork children and end them in a way of their own; billiard is celery's."""

_instance_id = str(uuid.uuid4())


class ProcessResource(Resource):
    """A resource whose ``service.instance.id`` is another one in each process, forked ones too."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Give what the resource says, now."""
        return {**super().attributes, INSTANCE_ID: _instance_id}

    def merge(self, other: Resource) -> Resource:
        """Give both in one; the SDK does that in forked processes."""
        merged = super().merge(other)
        return ProcessResource(merged.attributes, merged.schema_url)


class Forked(Protocol):
    """What lives on in a forked process."""

    def begin_child(self) -> None:
        """Let go of what is the parent's."""

    def shutdown(self) -> None:
        """Finish, when the child ends."""


def follow_forks(forked: Forked) -> None:
    """Tell ``forked`` of each fork, in the child, and let it finish when a child ends."""
    _after_fork(_begin_child(ref(forked)))
    for name in CHILD_MAKERS:
        wrapt.register_post_import_hook(partial(_finish_children, ref(forked)), name)


def _after_fork(function: Callable[[], None]) -> None:
    # Windows has no forks.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def _begin_child(of: ref[Forked]) -> Callable[[], None]:
    def begin() -> None:
        forked = of()
        if forked is not None:
            forked.begin_child()

    return begin


def _finish_children(of: ref[Forked], maker: ModuleType) -> None:
    forked = of()
    if forked is not None:
        maker.register_after_fork(forked, partial(_finish_at_end, maker))


def _finish_at_end(maker: ModuleType, forked: Forked) -> None:
    maker.Finalize(None, forked.shutdown, exitpriority=0)


def _renew_instance_id() -> None:
    global _instance_id  # noqa: PLW0603
    _instance_id = str(uuid.uuid4())


_after_fork(_renew_instance_id)
