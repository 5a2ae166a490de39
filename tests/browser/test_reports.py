"""The other pages in a browser: the kept report of a replication, and that of a diagnosis."""

from pathlib import Path

import pytest
from tests.report.diagnosis.conftest import made

from nwedge.report.diagnosis.document import write

LEGIBLE = 9
"""Pixels of the smallest letter."""
LETTERS = """() => {
    const scaled = (one) => { const m = one.getScreenCTM(); return Math.sqrt(Math.abs(m.a * m.d - m.b * m.c)); };
    const glyphs = [...document.querySelectorAll("figure svg[role=img] g[id*='text_'] use")];  // of a font of 100 units
    return glyphs.map((one) => 100 * scaled(one));
}"""
KEPT = Path(__file__).parents[2] / "docs" / "results" / "digits" / "report.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    return {"report": KEPT.as_uri(), "diagnosis": write(tmp_path_factory.mktemp("diagnosis"), made()).as_uri()}


@pytest.mark.parametrize("name", ["report", "diagnosis"])
def test_it_opens_without_an_error_and_every_figure_has_a_text(page, pages, name):
    page.goto(pages[name])
    images = page.query_selector_all("svg[role=img]")
    assert len(images) > 3
    assert all(len(image.get_attribute("aria-label")) > 10 for image in images)
    assert page.query_selector_all("img:not([alt])") == []


@pytest.mark.parametrize("name", ["report", "diagnosis"])
def test_a_phone_shows_it_without_scrolling_the_page_sideways(page, pages, name, phone):
    page.set_viewport_size(phone)
    page.goto(pages[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    letters = page.evaluate(LETTERS)
    assert len(letters) > 500
    assert min(letters) >= LEGIBLE - 0.01  # browsers round lengths to a 64th of a pixel
    assert "sideways" in page.evaluate("getComputedStyle(document.querySelector('figcaption'), '::before').content")


@pytest.mark.parametrize("name", ["report", "diagnosis"])
def test_the_tab_key_reaches_links_figures_and_what_is_folded(page, pages, name, phone):
    page.set_viewport_size(phone)
    page.goto(pages[name])
    kinds = set()
    for _ in range(300):
        page.keyboard.press("Tab")
        kinds.add(
            page.evaluate("[document.activeElement.tagName, document.activeElement.getAttribute('class')].join()")
        )
        if {"A,", "DIV,scroll", "SUMMARY,"} <= kinds:
            break
    else:
        raise AssertionError(f"the Tab key reaches {kinds} alone")
    page.locator("details > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")


def test_the_sheet_of_the_report_turns_by_the_keyboard(page, pages):
    page.goto(pages["report"])
    surface = page.locator("svg.surface").first
    before = surface.inner_html()
    surface.focus()
    page.keyboard.press("ArrowRight")
    assert surface.inner_html() != before
