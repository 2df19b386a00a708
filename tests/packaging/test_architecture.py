"""The rules of the house, held by tests: what may import what, and what must ship."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "collector" / "spanledger_collector"
INSTRUMENTATION = ROOT / "instrumentation" / "spanledger"
STAGES = {"receive", "journal", "decode", "normalise", "merge", "price", "export", "forward"}
WIRING = {"pipeline.py", "collector.py", "testing.py"}
"""The modules that put stages together: their order, the running process around it, and its twin for tests."""


def imports_of(path: Path) -> set[str]:
    """The names of all modules that a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def stages_of(path: Path) -> set[str]:
    """The stages a file of the collector imports."""
    parts = (name.split(".") for name in imports_of(path))
    return {p[1] for p in parts if p[0] == "spanledger_collector" and len(p) > 1} & STAGES


def test_the_app_side_never_imports_the_collector() -> None:
    """`spanledger` stands without `spanledger_collector`."""
    for path in INSTRUMENTATION.rglob("*.py"):
        assert not {name for name in imports_of(path) if name.startswith("spanledger_collector")}, path


def test_a_stage_knows_the_stages_before_it_only() -> None:
    """Data flows one way: a stage may know the records of those before it, never what comes after."""
    order = ["receive", "journal", "decode", "normalise", "merge", "price", "export", "forward"]
    for number, stage in enumerate(order):
        for path in (COLLECTOR / stage).rglob("*.py"):
            later = stages_of(path) - set(order[: number + 1])
            assert not later, f"{path.relative_to(COLLECTOR)} imports {later}"


def test_only_the_wiring_knows_all_stages() -> None:
    """Outside the stages and the commands, only the wiring modules import several of them."""
    for path in COLLECTOR.glob("*.py"):
        if path.name not in WIRING:
            assert len(stages_of(path)) <= 1, path.name


def test_every_package_and_data_file_is_listed_to_ship() -> None:
    """A subpackage or a data file that pyproject.toml does not list would be missing from the wheel."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join([name, *path.parent.relative_to(root).parts])
        for name, root in (("spanledger", INSTRUMENTATION), ("spanledger_collector", COLLECTOR))
        for path in root.rglob("*.py")
    }
    assert found | {"spanledger_queries", "spanledger_schemas"} == set(setuptools["packages"])
    assert {path.suffix for path in (ROOT / "queries").iterdir() if path.is_file()} <= {".sql", ".py"}


def test_every_compiled_module_is_listed_and_may_be_missing() -> None:
    """A source that pyproject.toml does not list would never be built; one that must be built would need a compiler."""
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    sources = {path.relative_to(ROOT).as_posix() for path in COLLECTOR.rglob("*.pyx")}
    assert {source for module in modules for source in module["sources"]} == sources
    assert all(module["optional"] for module in modules)
    for path in COLLECTOR.rglob("*.pyx"):
        assert path.name.startswith("compiled_"), path


def test_a_compiled_stage_knows_the_stages_before_it_only() -> None:
    """What holds for Python holds for Cython: its imports, too, go one way."""
    order = ["receive", "journal", "decode", "normalise", "merge", "price", "export", "forward"]
    for path in (path for stage in order for path in (COLLECTOR / stage).rglob("*.p[xy][dix]")):
        known = set(re.findall(r"^from spanledger_collector\.(\w+)", path.read_text(), re.MULTILINE)) & STAGES
        later = known - set(order[: order.index(path.parent.name) + 1])
        assert not later, f"{path.name} imports {later}"


def test_the_wire_format_is_read_in_one_place() -> None:
    """What Cython has above the stages serves all of them: none has a reader or a check of the same name of its own."""
    defined = re.compile(r"^cdef (?:inline )?\w+ (\w+)\(", re.MULTILINE)
    shared = set(defined.findall((COLLECTOR / "wire.pxd").read_text()))
    assert {"read_varint", "is_utf8"} <= shared
    for path in (path for stage in STAGES for path in (COLLECTOR / stage).rglob("*.p[xy][dix]")):
        again = shared & set(defined.findall(path.read_text()))
        assert not again, f"{path.name} has {again} again"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import spanledger", ["spanledger_collector", "grpc", "chdb", "opentelemetry.sdk", "openai"]),
        ("import spanledger.auto", ["spanledger_collector", "grpc", "chdb", "openai", "anthropic", "httpx", "httpx2"]),
        ("import spanledger_collector.cli.commands", ["chdb", "openai", "anthropic"]),
    ],
)
def test_an_import_brings_in_nothing_heavy(statement: str, absent: list[str]) -> None:
    """What an app or a command does not need is not imported by it."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    loaded = set(json.loads(output.splitlines()[-1]))
    assert not loaded & set(absent)
