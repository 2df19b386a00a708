"""Runs at the start of every Python whose path has this folder: the one import, then what would have run here."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def instrument() -> None:
    """Trace this process; a Python that does not have spanledger runs as it is."""
    try:
        import spanledger.auto  # noqa: F401 - the import is the instrumentation
    except Exception as error:
        sys.stderr.write(f"spanledger: {sys.executable} is not traced ({type(error).__name__}: {error})\n")


def run_other() -> None:
    """Run the ``sitecustomize`` that this one hides, if there is one."""
    here = Path(__file__).parent
    spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if Path(entry) != here])
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = other = module_from_spec(spec)
        spec.loader.exec_module(other)


instrument()
run_other()
