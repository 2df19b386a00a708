"""The compiled twins of hot stages beside the pure ones: what both say of the same input."""

from __future__ import annotations

import shutil
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from spanledger_collector import compiled

ROOT = Path(__file__).parents[2]
MODULES = [
    extension["name"].removeprefix("spanledger_collector.")
    for extension in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
]


@contextmanager
def leaving_aside() -> Iterator[None]:
    """Leave the compiled twins aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "PURE", True)
        yield


@pytest.fixture(scope="session")
def pure() -> Callable[[], AbstractContextManager[None]]:
    """Makes the context in which the pure twins do the work."""
    return leaving_aside


@pytest.fixture(autouse=True, scope="session")
def built() -> None:
    """Nothing is compared with itself."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if any(compiled.twin(module) is None for module in MODULES) and not shutil.which(compiler):
        pytest.skip("there is no C compiler, and the pure twins do the work")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a ``module`` is one of each compiled module."""
    if "module" in metafunc.fixturenames:
        metafunc.parametrize("module", MODULES)
