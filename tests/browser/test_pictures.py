"""Pictures as one meets them: opened, switched, turned, on a phone, by the keyboard alone."""

import dataclasses
import re
import sys

import pytest
import torch
from tests.picturing.conftest import MODULE, NAME, command, train
from tests.report.pictures.conftest import cut, made

from nwedge.cli import main
from nwedge.report.pictures.document import write

PICTURES = {
    "line": made("line", metrics=("loss", "held_out_loss", "accuracy"), error=True, nan=2),
    "plane": dataclasses.replace(
        made("plane", draws=2, error=True, nan=3), beside={"wedge model": cut(2, seed=9, low=0.0)}
    ),
    "trajectory": made("trajectory"),
    "spectrum": made("spectrum"),
}
DRAWN = "#drawn .main-svg"
SIGNATURE = (
    "document.getElementById('drawn')._fullData.map(t => [t.type, JSON.stringify(Array.from(t.y ?? []).flat())])"
)
COMMAND = "command"
"""The page that `nwedge picture` makes, and not of made-up numbers."""
LEGIBLE = 9
"""Pixels of the smallest letters that can be read."""
LETTERS = """() => {
    const scaled = (one) => { const m = one.getScreenCTM(); return Math.sqrt(Math.abs(m.a * m.d - m.b * m.c)); };
    const texts = [...document.querySelectorAll("#drawn svg text")].filter((one) => one.textContent.trim());
    const parts = texts.flatMap((one) => [one, ...one.querySelectorAll("tspan")]);
    const own = parts.map((one) => parseFloat(getComputedStyle(one).fontSize) * scaled(one));
    const glyphs = [...document.querySelectorAll("#figure svg g[id*='text_'] use")];  // of a font of 100 units
    const scene = document.getElementById("drawn")._fullLayout.scene;
    const axes = scene ? [scene.xaxis, scene.yaxis, scene.zaxis] : [];
    return {
        drawn: [...own, ...axes.flatMap((one) => [one.tickfont.size, one.title.font.size])],
        figure: glyphs.map((one) => 100 * scaled(one)),
    };
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pictures")
    found = {name: write(folder / name, picture).as_uri() for name, picture in PICTURES.items()}
    return found | {COMMAND: by_command(tmp_path_factory.mktemp("command")).as_uri()}


def by_command(folder):
    """The page of a training in its principal plane, from files of checkpoints."""
    (folder / f"{NAME}.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        sys.modules.pop(NAME, None)
        own = __import__(NAME)
        torch.manual_seed(0)
        model = own.build()
        for number in range(4):
            torch.save(train(model, own.data()[0], steps=10).state_dict(), f"{number}.pt")
        files = [f"{number}.pt" for number in range(4)]
        assert main(command("trajectory", *files, "--points", "11", "--out", "picture")) == 0
        sys.modules.pop(NAME)
    return folder / "picture" / "picture.html"


def opened(page, address):
    page.goto(address)
    page.wait_for_selector(DRAWN)
    return page


@pytest.mark.parametrize("kind", PICTURES)
def test_a_page_opens_without_an_error_and_has_its_figures_with_a_text(page, pages, kind):
    opened(page, pages[kind])
    assert page.title() == PICTURES[kind].title
    for image in page.query_selector_all("[role=img]"):
        assert image.is_visible()
        assert len(image.get_attribute("aria-label")) > 30
        box = image.bounding_box()
        assert min(box["width"], box["height"]) > 200
    assert page.locator("#figure svg path").count() > 10
    assert page.evaluate(SIGNATURE)


def test_a_page_made_by_the_command_has_its_path_its_legend_and_its_check(page, pages):
    opened(page, pages[COMMAND])
    names = page.evaluate("document.getElementById('drawn')._fullData.map(t => [t.name, t.x.length])")
    assert ["checkpoints", 4] in names
    assert page.locator("#drawn .legend .traces").count() == 3
    text = page.locator("main").inner_text()
    assert "of the squared distances of 4 checkpoints" in text
    assert "of their variance about their mean" in text
    assert re.search(r"Self-check of .* at 4 points, computed again", text)


def switched(page):
    """Every way of looking and every scale that the buttons of the page offer, one after another."""
    for way in page.query_selector_all("button[data-way]") or [None]:
        if way is not None:
            way.click()
        for scale in page.query_selector_all("button[data-scale]:not([disabled])"):
            scale.click()
            page.wait_for_timeout(300)
            yield


@pytest.mark.parametrize("kind", [*PICTURES, COMMAND])
def test_on_a_phone_no_letter_of_a_figure_is_too_small(page, pages, kind, phone):
    page.set_viewport_size(phone)
    opened(page, pages[kind])
    for _ in switched(page):
        sizes = page.evaluate(LETTERS)
        assert len(sizes["drawn"]) > 3
        assert len(sizes["figure"]) > 50
        assert min(sizes["drawn"]) >= LEGIBLE
        assert min(sizes["figure"]) >= LEGIBLE - 0.01  # browsers round lengths to a 64th of a pixel
    scroll = page.locator("#figure .scroll")
    assert scroll.evaluate("one => one.scrollWidth > one.clientWidth")
    assert "sideways" in page.evaluate("getComputedStyle(document.querySelector('figcaption'), '::before').content")


@pytest.mark.parametrize("kind", ["plane", "trajectory", COMMAND])
def test_a_surface_fits_a_phone_and_turns_there(page, pages, kind, phone):
    page.set_viewport_size(phone)
    opened(page, pages[kind])
    page.click("button[data-way=surface]")
    page.wait_for_selector("#drawn canvas")
    page.wait_for_function("document.getElementById('drawn')._fullLayout.scene._scene?.glplot")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    box = page.locator("#drawn canvas").first.bounding_box()
    assert box["width"] > 0.8 * phone["width"]
    assert box["x"] + box["width"] <= phone["width"]
    before = page.locator("#drawn").screenshot()
    page.click("button[data-turn='15']")
    page.wait_for_timeout(500)
    assert page.locator("#drawn").screenshot() != before


@pytest.mark.parametrize("kind", [*PICTURES, COMMAND])
def test_a_phone_shows_it_without_scrolling_sideways_in_letters_that_can_be_read(page, pages, kind, phone):
    page.set_viewport_size(phone)
    opened(page, pages[kind])
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    sizes = page.locator("p, li, button, select, figcaption, td").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 12
    box = page.locator("#drawn").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= phone["width"]
    for button in page.query_selector_all("button"):
        assert button.bounding_box()["height"] >= 32


@pytest.mark.parametrize("kind", ["plane", "trajectory"])
def test_a_plane_becomes_a_surface_and_turns_by_buttons_and_by_dragging(page, pages, kind):
    opened(page, pages[kind])
    assert page.evaluate(SIGNATURE)[0][0] == "contour"
    page.click("button[data-way=surface]")
    page.wait_for_selector("#drawn canvas")
    assert page.evaluate(SIGNATURE)[0][0] == "surface"
    page.wait_for_function("document.getElementById('drawn')._fullLayout.scene._scene?.glplot")
    page.wait_for_timeout(500)
    drawn = page.locator("#drawn")
    before = drawn.screenshot()
    eye = page.evaluate("document.getElementById('drawn')._fullLayout.scene.camera.eye")
    page.click("button[data-turn='15']")
    page.wait_for_timeout(500)
    turned = page.evaluate("document.getElementById('drawn')._fullLayout.scene.camera.eye")
    assert turned["x"] ** 2 + turned["y"] ** 2 == pytest.approx(eye["x"] ** 2 + eye["y"] ** 2)
    assert turned != eye
    after = drawn.screenshot()
    assert after != before
    box = drawn.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y + 20, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert drawn.screenshot() != after


@pytest.mark.parametrize("kind", PICTURES)
def test_the_scale_changes_what_is_drawn_and_the_buttons_say_which_it_is(page, pages, kind):
    opened(page, pages[kind])
    before = page.locator("#drawn").screenshot()
    assert page.get_attribute("button[data-scale=log]", "aria-pressed") == "true"
    page.click("button[data-scale=linear]")
    page.wait_for_timeout(300)
    assert page.get_attribute("button[data-scale=linear]", "aria-pressed") == "true"
    assert page.get_attribute("button[data-scale=log]", "aria-pressed") == "false"
    assert page.locator("#drawn").screenshot() != before


def test_every_panel_can_be_chosen(page, pages):
    opened(page, pages["plane"])
    titles = page.locator("#choice option").all_inner_texts()
    assert len(titles) == 4
    seen = set()
    for number in range(len(titles)):
        page.select_option("#choice", str(number))
        page.wait_for_timeout(200)
        seen.add(page.evaluate("JSON.stringify(document.getElementById('drawn').calcdata[0][0].z)"))
    assert len(seen) == 4


def test_the_pointer_is_told_the_value_with_its_error(page, pages):
    opened(page, pages["plane"])
    box = page.locator("#drawn .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.45)
    page.wait_for_selector("#drawn .hovertext")
    text = page.locator("#drawn .hovertext").text_content()
    assert "training loss" in text
    assert "±" in text


def test_the_keyboard_reaches_every_control_and_presses_it(page, pages):
    opened(page, pages["plane"])
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML.split('>')[0]"))
        if "data-way" in reached[-1] and "surface" in reached[-1]:
            page.keyboard.press("Enter")
            page.wait_for_selector("#drawn canvas")
        if 'data-turn="15"' in reached[-1]:
            eye = page.evaluate("document.getElementById('drawn')._fullLayout.scene.camera.eye.x")
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
            assert page.evaluate("document.getElementById('drawn')._fullLayout.scene.camera.eye.x") != eye
    for control in ("select", "data-way", "data-scale", "data-turn", 'class="scroll"'):
        assert any(control in one for one in reached), control
    assert page.evaluate(SIGNATURE)[0][0] == "surface"


def test_without_scripts_the_figure_and_the_numbers_are_there(browser, pages):
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(pages["plane"])
    assert still.locator("#figure svg").is_visible()
    assert not still.locator("#interactive").is_visible()
    assert still.locator("table").is_visible()
    context.close()
