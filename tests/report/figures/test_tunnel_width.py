import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import svg, words
from nwedge.report.figures import style, tunnel_width

SWEEPS = {
    "rate": [0.01, 0.02, 0.04, 0.08, 0.8],
    "decay": [0.0, 0.001, 0.003, 0.01, 0.2],
    "width": [1.0, 1.2, 1.4, 1.6, np.nan],
}


def made_up(sweeps: list[str]) -> xr.Dataset:
    """Results of five seeds with the schema of the claim; runs at a learning rate that is too strong do not train."""
    rng = np.random.default_rng(0)
    shape = (5, len(sweeps), 5, 8)
    values = np.array([SWEEPS[sweep] for sweep in sweeps])
    radius = np.broadcast_to(np.linspace(8, 12, 8), shape) * rng.uniform(0.95, 1.05, (5, 1, 1, 1))
    width = 40 * (1 - np.exp(6 - radius)) + np.arange(5)[:, None]
    width[..., 0] = np.nan
    strong = np.zeros(shape[:3], dtype=bool)
    for row, sweep in enumerate(sweeps):
        strong[:, row, 4] = sweep != "width"
        if sweep != "decay":
            width[:, row, 4] = np.nan
    dims = ("seed", "sweep", "level", "snapshot")
    return xr.Dataset(
        {
            "width": (dims, width),
            "radius": (dims, radius),
            "value": (dims[:3], np.broadcast_to(values, shape[:3])),
            "too_strong": (dims[:3], strong),
            "censored": (dims, np.ones(shape, dtype=int)),
        },
        {"seed": np.arange(5), "sweep": sweeps},
    )


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {"toy-sampled": made_up(["decay"]), "network": made_up(list(SWEEPS))}


def verdicts() -> list[dict]:
    def one(part: str, statistic: float | None) -> dict:
        return {"part": part, "statistic": statistic, "interval": None if statistic is None else [0.01, 0.2]}

    parts = [one("learning rate: relative widening", 0.1), one("weight decay: relative widening", None)]
    parts.append(one("layer width: variance that R / sqrt(factor) removes", 0.75))
    return [{"landscape": "network", "outcome": "holds", "parts": parts}]


def draw(datasets: dict, rows: list | tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = tunnel_width.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_every_sweep_has_a_panel_and_the_layer_width_two(datasets):
    figure = draw(datasets, verdicts())
    assert len(figure.axes) == 8
    heads = [notes(axes) for axes in figure.axes[:5]]
    assert heads == [
        "Network, learning rate | widening 0.1 [0.01, 0.2]",
        "Network, weight decay | undefined in some seeds",
        "Network, layer width | no crossing by 90°: 200 directions",
        "Network, layer width | variance removed 0.75 [0.01, 0.2]",
        f"{words.title('toy-sampled')}, weight decay | no crossing by 90°: 200 directions",
    ]
    assert not any(axes.axison for axes in figure.axes[5:])


def test_a_level_is_a_colour_and_the_too_strong_one_is_dashed_or_has_no_width(datasets):
    rate, decay, width, *_ = draw(datasets).axes
    assert legend(rate) == ["0.01", "0.02", "0.04", "0.08", "0.8: no width"]
    assert legend(decay) == ["0", "0.001", "0.003", "0.01", "0.2"]
    assert legend(width) == ["1", "1.2", "1.4", "1.6"]
    thick = [line for line in decay.lines if line.get_linewidth() == 2.0 and len(np.asarray(line.get_xdata()))]
    assert [line.get_color() for line in thick] == [*tunnel_width.LEVELS[:4], tunnel_width.TOO_STRONG]
    assert thick[-1].is_dashed()
    mean = datasets["network"].sel(sweep="decay", level=0).mean("seed", skipna=False)
    np.testing.assert_allclose(np.asarray(thick[0].get_ydata()), mean["width"])
    np.testing.assert_allclose(np.asarray(thick[0].get_xdata()), mean["radius"])


def test_the_second_panel_of_the_layer_width_divides_the_radius_by_the_root_of_the_factor(datasets):
    _, _, raw, scaled, *_ = draw(datasets).axes
    places = [
        [np.asarray(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 0.6] for axes in (raw, scaled)
    ]
    for level, factor in enumerate(SWEEPS["width"][:4]):
        before, after = (np.stack(some[level * 5 : level * 5 + 5]) for some in places)
        np.testing.assert_allclose(after, before / factor**0.5)
    assert scaled.get_xlabel() == "radius / √factor"


def test_undefined_widths_throughout_give_a_sentence(datasets):
    datasets["network"]["width"][:] = np.nan
    for axes in draw({"network": datasets["network"]}).axes:
        assert not axes.lines
        assert "no loss is below the level" in notes(axes)


def test_no_two_texts_overlap_and_the_same_data_give_the_same_bytes(datasets):
    figure = draw(datasets, verdicts())
    found = [text for one in figure.legends for text in one.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, *([axes.xaxis.label, axes.yaxis.label] if axes.axison else [])]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"
    with style.applied():
        first, again = svg.encode(figure, "svg"), svg.encode(draw(datasets, verdicts()), "svg")
    assert first == again
    assert len(first) < 1_000_000


def test_the_caption_and_the_caveats_are_sentences():
    assert tunnel_width.CAPTION.endswith(".")
    assert tunnel_width.CAVEATS.endswith(".")
