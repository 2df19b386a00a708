"""The page: served whole, from here alone, and true to the library."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from spanledger_collector.query.library import load

STATIC = Path(__file__).parents[2] / "collector" / "spanledger_collector" / "web" / "static"


StartTags = list[tuple[str, dict[str, Any]]]


class Tags(HTMLParser):
    """Collects the start tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: StartTags = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def api(app: Starlette) -> TestClient:
    """A client of the API."""
    return TestClient(app)


@pytest.fixture
def tags(api: TestClient) -> StartTags:
    """The start tags of the page."""
    return Tags(api.get("/").text).tags


def test_the_page_and_all_it_names_are_served(api: TestClient, tags: StartTags) -> None:
    """Every script, sheet, picture and link of the page answers."""
    links = {attributes.get("src") or attributes.get("href") for _, attributes in tags} - {None}
    named = {name for name in links if not name.startswith("#")}
    assert {"page.js", "page.css", "icon.svg"} <= named
    assert {name: api.get(f"/{name}").status_code for name in named} == dict.fromkeys(named, 200)


def test_modules_import_what_is_served(api: TestClient) -> None:
    """Each module that a script imports is served as JavaScript."""
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    imported = set(re.findall(r'from "\./(.+?)"', scripts))
    assert imported
    for name in imported:
        assert "javascript" in api.get(f"/{name}").headers["content-type"]


def test_nothing_comes_from_elsewhere() -> None:
    """No file of the page names another host; the namespace of SVG is a name, not an address."""
    for path in STATIC.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)(^|\s)// .*$", "", text), path.name


def test_the_policy_allows_only_own_files(api: TestClient, tags: StartTags) -> None:
    """The policy forbids inline scripts and styles, and the page has none."""
    policy = api.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert all(attributes.get("src") for tag, attributes in tags if tag == "script")
    assert not [tag for tag, attributes in tags if tag == "style" or "style" in attributes]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_the_page_asks_questions_that_exist(tags: StartTags) -> None:
    """Each section's question is in the library, and takes the filters of the page."""
    asked = {attributes["data-query"]: attributes for _, attributes in tags if "data-query" in attributes}
    assert {"spend_by_agent", "top_tasks", "waste", "call_distribution", "unpriced", "calls"} <= asked.keys()
    filters = {attributes["name"] for tag, attributes in tags if tag == "select"}
    for name, attributes in asked.items():
        takes = {parameter.name for parameter in load()[name].parameters}
        assert filters | ({"limit", "top", "ids"} & {key.removeprefix("data-") for key in attributes}) <= takes
        columns = {column.name for column in load()[name].columns}
        told = [set((attributes.get(f"data-{part}") or "").split()) for part in ("columns", "narrow", "group")]
        assert told[1] <= (told[0] or columns) and told[0] | told[2] <= columns


def test_places_that_scripts_look_for_are_there(tags: StartTags) -> None:
    """Each element that a script finds by its id is in the page."""
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    assert set(re.findall(r'getElementById\("([\w-]+)"\)', scripts)) <= {attributes.get("id") for _, attributes in tags}


def test_scripts_ask_questions_that_exist() -> None:
    """Each question that a script names is in the library."""
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    named = set(re.findall(r'(?:\bask|columnOf|library\.get)\("(\w+)"', scripts))
    assert {"spend_total", "spend_trend", "task_timeline"} <= named <= set(load())


def test_every_choice_has_a_label(api: TestClient) -> None:
    """Each select stands inside a label, so that a screen reader can name it."""
    page = api.get("/").text
    assert len(re.findall(r"<label>[^<]+<select", page)) == page.count("<select") > 0
