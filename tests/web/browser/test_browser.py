"""The page as a reader uses it: filters, the way from a team down to a call, a live call, keyboard, phone, dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .conftest import SCREENSHOTS, Serving
from .spans import Work, send

OpenPage = Callable[..., Page]
LIVE_WITHIN_MS = 3000


def section(page: Page, question: str) -> str:
    """The selector of the section that answers a question, once its answer stands there."""
    selector = f"[data-query={question}]"
    page.wait_for_selector(f"{selector} .answer > *")
    return selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_loads_whole(open_page: OpenPage, scheme: str, width: int) -> None:
    """Totals, chart and every section are there; no table is wider than the screen; a screenshot is kept."""
    page = open_page(scheme=scheme, width=width)
    for question in ("spend_by_team", "spend_by_agent", "top_tasks", "waste", "unpriced", "calls"):
        expect(page.locator(f"{section(page, question)} tbody tr").first).to_be_visible()
    expect(page.locator("#tile-spend")).to_contain_text("$")
    expect(page.locator("#course-chart canvas")).to_be_visible()
    expect(page.locator("#course-chart")).to_have_attribute(
        "aria-label", re.compile(r"^Spend by day, 1 in all; most \$")
    )
    expect(page.locator("#tile-unpriced-detail")).to_have_text(re.compile(r"^2,\d+ tokens that no cost here includes$"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        page.evaluate("[...document.querySelectorAll('.scroll')].filter((t) => t.scrollWidth > t.clientWidth).length")
        == 0
    )
    page.screenshot(path=SCREENSHOTS / f"overview-{scheme}-{width}.png", full_page=True)


def test_a_glance_is_enough(open_page: OpenPage) -> None:
    """The first figures: what was spent and since when, an average task, waste, unpriced, each leading to more."""
    page = open_page()
    tiles = page.get_by_role("region", name="At a glance")
    expect(tiles.get_by_role("link", name="Average task")).to_contain_text("of 4 priced tasks, median $")
    expect(tiles.get_by_role("link", name="Waste")).to_contain_text(re.compile(r"1 finding, \d+% of spend"))
    expect(tiles.get_by_role("link", name="Unpriced")).to_contain_text("2 calls")
    expect(tiles.get_by_role("link", name=re.compile("^Spend"))).to_contain_text("nothing in the time before")
    tiles.get_by_role("link", name="Waste").click()
    expect(page.get_by_role("heading", name="Waste")).to_be_in_viewport()


def test_this_month_is_what_is_shown_first(open_page: OpenPage) -> None:
    """Without a choice the page tells of this month, and compares it with the last one as far as this has come."""
    page = open_page("")
    expect(page.get_by_label("Period")).to_have_value("month")
    expect(page.locator("#tile-spend-detail")).to_contain_text("last month")


def test_a_bar_of_the_course_leads_into_its_period(open_page: OpenPage) -> None:
    """A day's bar, or its row in the figures, leads to that day by the hour; another choice of the period leads out."""
    page = open_page()
    section(page, "calls")
    page.locator("#course-chart .u-over").click(
        position={"x": page.locator("#course-chart .u-over").bounding_box()["width"] - 5, "y": 90}
    )
    expect(page).to_have_url(re.compile(r"\?since=\d{4}-\d\d-\d\dT00%3A00%3A00Z&until="))
    expect(page.locator("#course-chart")).to_have_attribute("aria-label", re.compile("^Spend by hour"))
    page.get_by_text("The figures, and what moved them").click()
    hour = page.locator("#course-figures tbody a").first
    hour.click()
    expect(page).to_have_url(re.compile(r"\?since=\d{4}-\d\d-\d\dT\d\d%3A00%3A00Z&until="))
    page.get_by_label("Period").select_option("7d")
    expect(page).to_have_url(re.compile(r"\?since=7d$"))


def test_filters_are_in_the_address(open_page: OpenPage) -> None:
    """A choice narrows the answers and the address; reloading keeps it, and going back takes it away."""
    page = open_page()
    agents = f"{section(page, 'spend_by_agent')} tbody tr"
    expect(page.locator(agents)).to_have_count(3)
    filters = page.locator("#filters")
    filters.get_by_label("Team").select_option("payments")
    expect(page.locator(agents)).to_have_count(1)
    filters.get_by_label("Period").select_option("24h")
    expect(page).to_have_url(re.compile(r"\?since=24h&team=payments$"))
    page.reload()
    expect(page.locator(agents)).to_have_count(1)
    expect(filters.get_by_label("Team")).to_have_value("payments")
    expect(page.locator("#course-chart")).to_have_attribute("aria-label", re.compile("^Spend by hour"))
    page.go_back()
    page.go_back()
    expect(page.locator(agents)).to_have_count(3)
    expect(filters.get_by_label("Team")).to_have_value("")


def test_the_way_from_a_team_to_a_call_and_back(open_page: OpenPage) -> None:
    """Team, agent, task, call: each links to the next, and the trail leads back up."""
    page = open_page()
    page.locator(section(page, "spend_by_team")).get_by_role("link", name="payments").click()
    agents = page.locator(section(page, "spend_by_agent"))
    expect(agents.locator("tbody tr")).to_have_count(1)
    agents.get_by_role("link", name="fixer").click()
    expect(page.locator("#trail")).to_contain_text("fixer")
    page.locator(section(page, "top_tasks")).get_by_role("link", name="BUG-7").click()
    rows = page.locator(".waterfall tbody tr")
    expect(rows).to_have_count(12)
    expect(page.locator(".waterfall .bar.error").first).to_be_visible()
    expect(page.locator("#task-waste")).to_contain_text("loop")
    expect(page.locator("#task-beside")).to_contain_text("the median of 3 tasks of fixer")
    expect(page.locator("#task-explanation tbody tr").first).to_contain_text("$")
    page.screenshot(path=SCREENSHOTS / "task.png", full_page=True)
    rows.first.get_by_role("link").click()
    fields = page.locator("#call-fields")
    expect(fields).to_contain_text("gpt-4.1")
    expect(fields).to_contain_text("priced")
    page.screenshot(path=SCREENSHOTS / "call.png", full_page=True)
    trail = page.get_by_role("navigation", name="You are here")
    expect(trail.get_by_role("listitem")).to_have_text(["All", "payments", "fixer", "BUG-7", "call"])
    trail.get_by_role("link", name="BUG-7").click()
    expect(rows).to_have_count(12)
    trail.get_by_role("link", name="All").click()
    expect(page.locator(f"{section(page, 'spend_by_team')} tbody tr")).to_have_count(3)


def test_a_recent_call_is_found_by_its_moment(open_page: OpenPage) -> None:
    """From the list of recent calls one leads to its details without its task being read."""
    page = open_page()
    page.locator(section(page, "calls")).locator("tbody th a").first.click()
    expect(page.locator("#call-fields dt").first).to_have_text("call id")
    expect(page.locator("#call-missing")).to_be_hidden()


def test_a_call_is_seen_as_it_comes(open_page: OpenPage, serving: Serving) -> None:
    """A call stands in the list within three seconds of the collector's acknowledgement, without a reload."""
    page = open_page("?team=live")
    expect(page.locator(section(page, "calls"))).to_contain_text("Nothing in this period")
    send(serving.otlp, [Work("live", "newcomer", "LIVE-1", at_s=-1)])
    row = page.locator("[data-query=calls] tbody tr")
    expect(row).to_contain_text("newcomer", timeout=LIVE_WITHIN_MS)


def test_a_task_of_which_nothing_is_known(open_page: OpenPage) -> None:
    """An address that names no task and no call of this ledger says so."""
    expect(open_page("?task=none").locator("#timeline")).to_have_text("No call names this task.")
    expect(open_page("?task=none&call=none").locator("#call-missing")).to_be_visible()


def test_an_empty_period_says_what_to_do(open_page: OpenPage) -> None:
    """Where there is no call the page says so, in each section too, and how to have some."""
    page = open_page("?team=nobody")
    expect(page.locator("#first-steps")).to_contain_text("spanledger run -- python app.py")
    expect(page.locator(section(page, "top_tasks"))).to_contain_text("Nothing in this period.")


def test_a_collector_that_does_not_answer_is_told_of(open_page: OpenPage) -> None:
    """Figures that cannot be renewed are marked so, and what stood there stays."""
    page = open_page()
    answers = page.locator(section(page, "spend_by_team"))
    page.route(re.compile("/api/queries/"), lambda route: route.fulfill(status=503, json={"error": "it is away"}))
    page.get_by_label("Period").select_option("7d")
    expect(page.get_by_role("alert")).to_contain_text("No fresh figures: it is away.")
    expect(answers).to_contain_text("payments")


def test_a_thumb_finds_what_it_aims_at(open_page: OpenPage) -> None:
    """On a phone every link and choice outside of running text is at least 24 pixels high, as WCAG 2.2 asks for."""
    page = open_page(width=390, touch=True)
    section(page, "calls")
    low = "(e) => e.getBoundingClientRect().height < 24 && e.closest('tr')?.getBoundingClientRect().height < 36"
    assert page.evaluate(f"[...document.querySelectorAll('main a, select, summary')].filter({low}).length") == 0
    assert page.evaluate("Math.min(...[...document.querySelectorAll('select')].map((e) => e.offsetHeight))") >= 44


def test_the_keyboard_is_enough(open_page: OpenPage) -> None:
    """The first stop skips to the answers; from there a link is reached and followed without a mouse."""
    page = open_page()
    section(page, "spend_by_team")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the answers")).to_be_focused()
    page.get_by_role("link", name="payments").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("team=payments"))


def test_a_name_is_text_and_never_markup(open_page: OpenPage, serving: Serving) -> None:
    """Names come from emitters: one that looks like HTML or like an address is shown, linked and asked for as it is."""
    name = "<img src=x onerror=alert(1)>&team=x#'%"
    send(serving.otlp, [Work("hostile", name, name, at_s=-1)])
    page = open_page("?team=hostile")
    page.locator(section(page, "top_tasks")).get_by_role("link", name=name).first.click()
    expect(page.locator(".waterfall tbody tr")).to_have_count(1)
    expect(page.locator("#task-name")).to_have_text(name)
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["", "?task=BUG-7"])
def test_nothing_bars_the_way_of_a_reader_with_aids(open_page: OpenPage, address: str, scheme: str) -> None:
    """axe-core finds no violation: names, roles, order of headings, contrast of every text, in light and in dark."""
    page = open_page(address, scheme=scheme)
    page.wait_for_selector("main[aria-busy=false]")
    assert Axe().run(page).response["violations"] == []
