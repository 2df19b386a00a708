"""A wheel, built and installed into an empty environment: what ships is what works."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a new environment that holds the wheel alone.

    The dependencies come from the environment that runs the tests, by a path file, so that no index is asked;
    spanledger itself is hidden there, as an editable install is made by path files that are not read from here.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    purelib = next(folder.glob("lib/python*/site-packages"))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(purelib)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    ours = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (purelib / "dependencies.pth").write_text(f"{ours}\n")
    return folder / "bin"


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the new environment's Python away from the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPANLEDGER_", "OTEL_"))}
    return subprocess.run(
        [str(installed / "python"), *arguments], check=False, capture_output=True, text=True, cwd=installed, env=kept
    )


def test_the_wheel_holds_code_and_data_and_nothing_else(wheel: Path) -> None:
    """SQL, YAML and the page's files ship; tests and captured spans do not."""
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {path.relative_to(ROOT / "queries").as_posix() for path in (ROOT / "queries").rglob("*.sql")}
    assert {f"spanledger_queries/{name}" for name in shipped} <= set(names)
    for path in [*(ROOT / "schemas").rglob("*.sql"), *(ROOT / "schemas").rglob("*.yaml")]:
        assert f"spanledger_schemas/{path.relative_to(ROOT / 'schemas').as_posix()}" in names
    static = ROOT / "collector" / "spanledger_collector" / "web" / "static"
    for path in static.iterdir():
        assert f"spanledger_collector/web/static/{path.name}" in names
    roots = {name.split("/")[0] for name in names}
    packages = {"spanledger", "spanledger_collector", "spanledger_queries", "spanledger_schemas"}
    assert {root for root in roots if not root.endswith(".dist-info")} == packages


def test_the_installed_wheel_imports_spans_and_answers(installed: Path, tmp_path: Path) -> None:
    """From the wheel alone: the code is the wheel's, a file is imported, a question is answered."""
    where = run(installed, "-c", "import spanledger, spanledger_collector as c; print(spanledger.__file__, c.__file__)")
    assert where.returncode == 0, where.stderr
    assert all(path.startswith(str(installed.parent)) for path in where.stdout.split())
    data = str(tmp_path / "data")
    spans = str(CORPUS / "genai_anthropic" / "traces-001.bin")
    imported = run(installed, "-m", "spanledger_collector", "import", spans, "--data", data)
    assert imported.returncode == 0, imported.stderr
    answer = run(installed, "-m", "spanledger_collector", "query", "spend_by_model", "--format", "csv", "--data", data)
    assert "claude-sonnet-4-5" in answer.stdout, answer.stderr


def test_the_app_side_alone_says_how_to_get_the_commands(installed: Path) -> None:
    """Without the collector's dependencies the command says which extra to install."""
    program = (
        "import sys; sys.modules['click'] = None; sys.argv = ['spanledger'];"
        "from spanledger_collector.__main__ import main; main()"
    )
    ended = run(installed, "-c", program)
    assert ended.returncode == 1
    assert "pip install 'spanledger[collector]'" in ended.stderr
