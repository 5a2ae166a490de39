import re

import pytest
from matplotlib.figure import Figure

from nwedge.report import svg
from nwedge.report.figures import style


def draw() -> Figure:
    with style.applied():
        figure = Figure(figsize=(3, 2))
        axes = figure.subplots()
        axes.plot([0, 1], [0.123456789, 1])
        axes.set_title("title")
        return figure


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_are_equal_bytes(kind):
    with style.applied():
        assert svg.encode(draw(), kind) == svg.encode(draw(), kind)


def test_the_file_carries_no_date_and_no_version():
    with style.applied():
        content = svg.encode(draw(), "svg").decode()
    assert "<metadata" not in content
    assert not re.search(r"Matplotlib v|20\d\d-\d\d-\d\d", content)


def test_path_data_has_two_decimals():
    with style.applied():
        paths = re.findall(r'\bd="([^"]*)"', svg.encode(draw(), "svg").decode())
    assert paths
    assert not re.search(r"\.\d{3}", " ".join(paths))


def test_two_figures_on_a_page_share_no_id_and_keep_their_links():
    with style.applied():
        content = svg.encode(draw(), "svg")
    pages = [svg.inline(content, prefix, "what it shows") for prefix in ("one", "two")]
    first, second = (set(re.findall(r'\bid="([^"]+)"', page)) for page in pages)
    assert first
    assert not first & second
    links = re.findall(r'href="#([^"]+)"', pages[0]) + re.findall(r"url\(#([^)]+)\)", pages[0])
    assert links
    assert set(links) <= first


def test_the_inlined_figure_is_described_and_follows_the_colours_of_the_page():
    with style.applied():
        page = svg.inline(svg.encode(draw(), "svg"), "one", 'a "quoted" <label>')
    assert page.startswith(
        '<svg role="img" aria-label="a &quot;quoted&quot; &lt;label&gt;" '
        'style="--smallest: 10.6667; min-width: calc(var(--least-scale, 0.75) * 288.00px); max-width: 374px"'
    )
    assert "<?xml" not in page
    for colour, variable in svg.VARIABLES.items():
        assert colour not in page
        assert variable in page


def test_the_smallest_letters_are_found_exponents_among_them():
    with style.applied():
        figure = draw()
        plain = svg.smallest(svg.encode(figure, "svg"))
        figure.axes[0].set_title("small", size=3)
        small = svg.smallest(svg.encode(figure, "svg"))
        figure.axes[0].set_title("$10^{3}$", size=4)
        exponent = svg.smallest(svg.encode(figure, "svg"))
    assert plain == pytest.approx(8 * 96 / 72)
    assert small == pytest.approx(3 * 96 / 72)
    assert exponent == pytest.approx(0.7 * 4 * 96 / 72)


def test_the_width_is_that_on_a_page():
    with style.applied():
        assert svg.width(svg.encode(draw(), "svg")) == pytest.approx(3 * 96)
