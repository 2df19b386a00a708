"""The page on a large ledger: every answer comes, and a reader gets from a team down to a call."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import SCREENSHOTS, Serving, collector
from .spans import Work, send

PATIENCE_MS = 180_000
"""Not a claim: how long it takes is measured by `make bench-query`."""
_FILL = """
import sys
from pathlib import Path
sys.path.insert(0, "benchmarks")
from query import fill
from spanledger_collector.collector import open_store
from spanledger_collector.config import Settings
with open_store(Settings(data=Path(sys.argv[1]))) as store:
    fill(store, int(sys.argv[2]))
"""


@pytest.fixture(scope="module", params=[100_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector on the ledger of the benchmark."""
    folder = tmp_path_factory.mktemp("large")
    # In a process of its own: chDB takes one directory a process.
    filling = [sys.executable, "-c", _FILL, str(folder / "data"), str(request.param)]
    subprocess.run(filling, check=True, cwd=Path(__file__).parents[3])
    with collector(folder) as found:
        yield found


def test_the_page_stays_usable(browser: Browser, large: Serving) -> None:
    """All time of the whole ledger, a filter, the way down to a call, and a call as it comes."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{large.api}/?since=")
    expect(page.locator("#tile-spend")).to_contain_text("$", timeout=PATIENCE_MS)
    expect(page.locator("#tile-waste-detail")).to_contain_text(
        re.compile(r"^[\d,]{5,} findings, "), timeout=PATIENCE_MS
    )
    with answered(page, "spend_by_agent", "team="):
        page.locator("[data-query=spend_by_team] tbody th a").first.click()
    with answered(page, "top_tasks", "agent="):
        page.locator("[data-query=spend_by_agent] tbody th a").first.click()
    page.locator("[data-query=top_tasks] tbody th a").first.click()
    expect(page.locator(".waterfall tbody tr").nth(10)).to_be_visible(timeout=PATIENCE_MS)
    page.screenshot(path=SCREENSHOTS / "large.png")
    page.locator(".waterfall tbody th a").first.click()
    expect(page.locator("#call-fields")).to_contain_text("call id", timeout=PATIENCE_MS)
    page.goto(f"{large.api}/?team=live")
    expect(page.locator("[data-query=calls]")).to_contain_text("Nothing in this period", timeout=PATIENCE_MS)
    send(large.otlp, [Work("live", "newcomer", "LIVE-1", at_s=-1)])
    expect(page.locator("[data-query=calls] tbody tr")).to_contain_text("newcomer", timeout=PATIENCE_MS)
    assert complaints == []
    page.close()


@contextmanager
def answered(page: Page, question: str, narrowed: str) -> Iterator[None]:
    """Waits for the answer to a question that is narrowed by what was chosen, and until it is shown."""
    with page.expect_response(lambda response: f"/{question}?" in response.url and narrowed in response.url):
        yield
    page.wait_for_timeout(200)
