"""A page in a real browser, which fails the test if the page writes an error to its console or asks for the network."""

import shutil
from collections.abc import Iterator

import pytest

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
"""Chromium draws surfaces in software, as root, without a screen."""
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Debian's Chromium, run by Playwright; without one of them tests are skipped."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="tests in a browser need Playwright: pip install playwright"
    )
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("tests in a browser need Chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=found, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator:
    """An empty page of 1280 pixels across; `page.set_viewport_size(PHONE)` makes it a phone's."""
    context = browser.new_context(viewport=DESK)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda one: None if one.url.startswith(("file:", "data:", "blob:")) else wrong.append(one.url))
    yield opened
    context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def phone() -> dict[str, int]:
    """The size of a phone's screen."""
    return PHONE
