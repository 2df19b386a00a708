"""A wheel, built and installed into an empty environment: what ships is what works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [m["name"] for m in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]]
"""The compiled ones."""
SOURCES = (".pyx", ".pxd", ".pxi")
DECODER = "from spanledger_collector.decode import Decoder; print(Decoder.__module__)"
CORPUS = ROOT / "tests" / "corpus"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built from, without what was built here before."""
    folder = tmp_path_factory.mktemp("source") / "spanledger"
    built = shutil.ignore_patterns("*.so", "compiled_*.c", "__pycache__", "*.egg-info")
    for name in ("instrumentation", "collector", "queries", "schemas"):
        shutil.copytree(ROOT / name, folder / name, ignore=built)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def wheel_of(source: Path, folder: Path, **environment: str) -> Path:
    """The wheel that is built from ``source``."""
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(build, check=True, cwd=source, capture_output=True, env={**os.environ, **environment})
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return wheel_of(source, tmp_path_factory.mktemp("dist"))


def install(wheel: Path, folder: Path) -> Path:
    """The ``bin`` of a new environment that holds the wheel alone.

    The dependencies come from the environment that runs the tests, by a path file, so that no index is asked;
    spanledger itself is hidden there, as an editable install is made by path files that are not read from here.
    """
    venv.create(folder, with_pip=False)
    purelib = next(folder.glob("lib/python*/site-packages"))
    into = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(purelib)]
    subprocess.run([*into, str(wheel)], check=True, capture_output=True)
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (purelib / "dependencies.pth").write_text("".join(f"{path}\n" for path in ours))
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel."""
    return install(wheel, tmp_path_factory.mktemp("installed"))


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


def test_the_compiled_modules_ship_and_are_used(wheel: Path, installed: Path) -> None:
    """Every one is in the wheel, none as source; the switch leaves them aside."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler here")
    names = zipfile.ZipFile(wheel).namelist()
    compiled = {name.split(".")[0].replace("/", ".") for name in names if name.endswith((".so", ".pyd"))}
    assert compiled == set(MODULES)
    assert not [name for name in names if name.endswith((*SOURCES, ".c"))]
    assert run(installed, "-c", DECODER).stdout.strip() == "spanledger_collector.decode.compiled_decoder"
    pure = run(installed, "-c", f"import os; os.environ['SPANLEDGER_PURE'] = '1'; {DECODER}")
    assert pure.stdout.strip() == "spanledger_collector.decode.decoder"


def test_without_a_compiler_the_wheel_is_built_and_works(source: Path, tmp_path: Path) -> None:
    """Where nothing can be compiled, the installation succeeds and the pure stages do the work."""
    clean = shutil.copytree(source, tmp_path / "clean", ignore=shutil.ignore_patterns("build", "*.c", "*.egg-info"))
    wheel = wheel_of(clean, tmp_path / "dist", CC="/bin/false")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", ".pyd"))]
    installed = install(wheel, tmp_path / "installed")
    assert run(installed, "-c", DECODER).stdout.strip() == "spanledger_collector.decode.decoder"
    spans = str(CORPUS / "genai_anthropic" / "traces-001.bin")
    imported = run(installed, "-m", "spanledger_collector", "import", spans, "--data", str(tmp_path / "data"))
    assert imported.returncode == 0, imported.stderr


def test_the_source_distribution_holds_what_is_compiled(source: Path, tmp_path: Path) -> None:
    """Whoever builds from it has the sources of the compiled modules, and what they include."""
    program = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=source, capture_output=True)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    needed = [path for kind in SOURCES for path in (ROOT / "collector").rglob(f"*{kind}")]
    assert needed
    assert {path.relative_to(ROOT).as_posix() for path in needed} <= packed


def test_the_app_side_alone_says_how_to_get_the_commands(installed: Path) -> None:
    """Without the collector's dependencies the command says which extra to install."""
    program = (
        "import sys; sys.modules['click'] = None; sys.argv = ['spanledger'];"
        "from spanledger_collector.__main__ import main; main()"
    )
    ended = run(installed, "-c", program)
    assert ended.returncode == 1
    assert "pip install 'spanledger[collector]'" in ended.stderr
