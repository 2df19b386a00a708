"""A collector process with a small ledger, and the system's Chromium on its page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from .spans import send, usual_work

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = Path(__file__).parent / "screenshots"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""A browser that runs as root in a container, and asks no host but the page's."""


@dataclass(frozen=True)
class Serving:
    """Where a collector listens."""

    api: str
    otlp: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium; where there is none the tests are skipped.

    Of each module its own: while Playwright runs, no other test of the process can run an event loop.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: scripts/install-chromium installs Debian's")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield launched
        launched.close()


@contextmanager
def collector(folder: Path) -> Iterator[Serving]:
    """``spanledger serve`` on free ports, with its data directory and its log in ``folder``."""
    free = [part for flag in ("--otlp-grpc", "--otlp-http", "--api") for part in (flag, "127.0.0.1:0")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPANLEDGER_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spanledger_collector", "serve", "--data", str(folder / "data"), *free],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert all(lines), (folder / "log").read_text()
        addresses = {name.strip(): value for name, _, value in (line.strip().rpartition(" ") for line in lines)}
        yield Serving(addresses["page, API"], addresses["OTLP/HTTP"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector with the usual work in its ledger."""
    with collector(tmp_path_factory.mktemp("serving")) as found:
        send(found.otlp, usual_work())
        yield found


@pytest.fixture
def open_page(browser: Browser, serving: Serving) -> Iterator[Callable[..., Page]]:
    """Opens the page at an address, in a scheme and width; at the end no page may have complained to its console."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # A refusal is the page's to tell of; the browser notes it in any case.
        if message.type in ("error", "warning") and "status of 503" not in message.text:
            complaints.append(message.text)

    def open_at(address: str = "?since=30d", *, scheme: str = "light", width: int = 1280, touch: bool = False) -> Page:
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900}, has_touch=touch)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{serving.api}/{address}")
        return page

    yield open_at
    for context in browser.contexts:
        context.close()
    assert complaints == []
