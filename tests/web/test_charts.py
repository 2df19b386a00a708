"""The charting library of the page: from the package that carries it, and the very file that its makers published."""

from __future__ import annotations

import hashlib

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from spanledger_collector.web import charts

UPSTREAM = {
    "uplot.js": "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""SHA-256 of dist/uPlot.iife.min.js and dist/uPlot.min.css of the npm package uplot 1.6.31."""


@pytest.mark.parametrize("name", charts.FILES)
def test_the_file_is_that_of_its_makers(app: Starlette, name: str) -> None:
    """The package repacks uPlot; what the page runs is byte for byte what uPlot's own package has."""
    answer = TestClient(app).get(f"/charts/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(charts.FILES[name][1])
    assert hashlib.sha256(answer.content).hexdigest() == UPSTREAM[name]


def test_nothing_else_of_the_package_is_served(app: Starlette) -> None:
    """Only the named files are given out."""
    assert TestClient(app).get("/charts/__init__.py").status_code == 404


def test_without_the_package_the_way_out_is_told(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, the answer names it and how to get it."""
    monkeypatch.setattr(charts, "PACKAGE", "no-such-package")
    answer = TestClient(app).get("/charts/uplot.js")
    assert answer.status_code == 404
    assert "pip install" in answer.json()["error"]
