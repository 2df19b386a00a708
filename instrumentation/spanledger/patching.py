"""Wrapping functions of other libraries while somebody wants it, and giving them back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import wrapt

from spanledger.guard import guarded

Hook = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""Called as ``hook(function, instance, args, kwargs)``; what it gives is what the caller gets."""


class Patch(NamedTuple):
    """One function to wrap, when and if its module is imported; left out where the module does not have it."""

    module: str
    target: str
    """``function``, or ``Class.method`` of the class that defines it."""
    hook: Hook


class Patching:
    """Patches that come and go together."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self.patches = patches
        self._wrapped: dict[tuple[Any, str], Any] = {}
        self._is_on = False
        self._waits_for_imports = False

    def start(self) -> bool:
        """Wrap what is imported now, and later what will be imported later; say whether that was already so."""
        was_on, self._is_on = self._is_on, True
        for patch in self.patches:
            if patch.module in sys.modules:
                self._wrap(patch, sys.modules[patch.module])
            if not self._waits_for_imports:
                wrapt.register_post_import_hook(partial(self._wrap, patch), patch.module)
        self._waits_for_imports = True
        return was_on

    def stop(self) -> None:
        """Put the functions back; one that somebody has wrapped in turn stays, and lets all pass."""
        self._is_on = False
        for (parent, name), wrapper in self._wrapped.items():
            if vars(parent).get(name) is wrapper:
                setattr(parent, name, wrapper.__wrapped__)
        self._wrapped.clear()

    @guarded
    def _wrap(self, patch: Patch, module: ModuleType) -> None:
        if not self._is_on:
            return
        *class_name, name = patch.target.split(".")
        parent = getattr(module, class_name[0], None) if class_name else module
        # Two names may mean one class: httpx2 can pose as httpx.
        if parent is None or name not in vars(parent) or (parent, name) in self._wrapped:
            return
        # One that could not be taken away (somebody's wrapper is around it) must not work again beside a new one.
        wrapper: Any = wrapt.FunctionWrapper(
            vars(parent)[name], patch.hook, enabled=lambda: self._wrapped.get((parent, name)) is wrapper
        )
        setattr(parent, name, wrapper)
        self._wrapped[parent, name] = wrapper
