import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nwedge.report import svg, words
from nwedge.report.figures import sections, style

NAMES = ("toy-sampled", "network", "control-bowl")


def made_up(name: str) -> xr.Dataset:
    """Results of five seeds with the schema of the claim."""
    rng = np.random.default_rng(0)
    dim, middle = {"toy-sampled": (300, 10.0), "network": (6310, 230.0), "control-bowl": (100, 85.0)}[name]
    factors, shares = np.array([0.5, 1.0, 2.0]), np.array([0.02, 0.1, 0.2])
    tried = np.unique(np.r_[2 ** np.arange(int(np.log2(middle)) + 1), np.round(middle * np.linspace(0.8, 1.2, 5))])
    d = np.full((5, 3, 80), np.nan)
    d[..., : 2 * len(tried)] = np.repeat(tried, 2)
    loss = 5 / (1 + (d / middle * rng.lognormal(sigma=0.1, size=d.shape)) ** 3 * 9) * factors[:, None]
    if name == "toy-sampled":
        loss = np.where(d > 1.15 * middle, 0.0, loss)
    threshold = middle * rng.uniform(0.95, 1.05, 5)
    data = {
        "level": ("seed", np.full(5, 0.5)),
        "level_share": ("seed", np.full(5, 0.1)),
        "level_over_radius": ("seed", np.full(5, 0.03)),
        "dim": ("seed", np.full(5, dim)),
        "threshold": ("seed", threshold),
        "low": ("seed", 0.95 * threshold),
        "high": ("seed", 1.05 * threshold),
        "censored": ("seed", np.zeros(5, dtype=bool)),
        "explained": ("seed", np.full(5, 0.93)),
        "d": (("seed", "factor", "plane"), d),
        "success": (("seed", "factor", "plane"), np.where(np.isnan(d), np.nan, (loss <= 0.5).astype(float))),
        "loss": (("seed", "factor", "plane"), loss),
        "threshold_at_level": (("seed", "share"), threshold[:, None] * np.array([1.2, 1, 0.8])),
    }
    if name == "toy-sampled":
        data["law_at_level"] = (("seed", "share"), np.tile([14.9, 14.5, 14.0], (5, 1)))
        data["one_wedge_at_level"] = (("seed", "share"), np.tile([14.5, 14.0, 13.5], (5, 1)))
    return xr.Dataset(data, {"factor": factors, "share": shares, "seed": np.arange(5)})


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {name: made_up(name) for name in NAMES}


def draw(datasets: dict, rows: tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = sections.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def column(figure: Figure, datasets: dict, name: str) -> list[Axes]:
    return figure.axes[words.ordered(datasets).index(name) :: len(datasets)]


def test_the_marks_are_the_planes_and_the_lines_their_means(datasets):
    losses, successes, _ = column(draw(datasets), datasets, "network")
    dataset = datasets["network"]
    marks, line = losses.lines[2:4]
    d = dataset["d"].sel(factor=1.0).values
    assert len(np.asarray(marks.get_xdata())) == (~np.isnan(d)).sum()
    relative = dataset["loss"].sel(factor=1.0).values / 5
    at_one = relative[d == 1]
    assert np.asarray(line.get_ydata())[0] == pytest.approx(at_one.mean())
    share = dataset["success"].sel(factor=1.0).values
    last = np.round(np.log(d) / np.log(sections.BIN)) == np.round(np.log(np.nanmax(d)) / np.log(sections.BIN))
    assert np.asarray(successes.lines[1].get_ydata())[[0, -1]] == pytest.approx([0, share[last].mean()])


def test_the_threshold_and_its_interval_are_drawn_and_named(datasets):
    _, successes, _ = column(draw(datasets), datasets, "network")
    dataset = datasets["network"]
    (band,) = successes.patches
    assert isinstance(band, Rectangle)
    assert band.get_x() == pytest.approx(float(dataset["low"].mean()))
    assert band.get_x() + band.get_width() == pytest.approx(float(dataset["high"].mean()))
    assert notes(successes) == f"threshold {round(float(dataset['threshold'].mean()))} of 6,310"


def test_bounds_are_counted(datasets):
    datasets["control-bowl"]["censored"][:2] = True
    _, successes, _ = column(draw(datasets), datasets, "control-bowl")
    assert notes(successes).endswith(", 2 a bound")


def test_the_law_stands_beside_the_thresholds_of_a_toy_alone(datasets):
    figure = draw(datasets)
    levels = column(figure, datasets, "toy-sampled")[2]
    law, single = levels.lines[2:]
    np.testing.assert_allclose(np.asarray(law.get_ydata()), [14.9, 14.5, 14.0])
    np.testing.assert_allclose(np.asarray(single.get_ydata()), [14.5, 14.0, 13.5])
    assert len(column(figure, datasets, "network")[2].lines) == 2
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"law of one wedge", "one wedge", "origin × 0.5"} <= set(labels)


def test_no_two_texts_overlap(datasets):
    figure = draw(datasets)
    found = [text for axes in figure.axes for text in [*axes.texts, axes.xaxis.label, axes.yaxis.label]]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"


def test_undefined_values_give_sentences(datasets):
    bare = datasets["network"]
    bare["loss"][:] = np.nan
    for axes in draw({"network": bare}).axes:
        assert not axes.lines
        assert "no plane is defined here" in notes(axes)


def test_unknown_thresholds_leave_the_planes_on_show(datasets):
    for name in ("threshold", "low", "high", "threshold_at_level", "explained"):
        datasets["network"][name][:] = np.nan
    losses, successes, _ = draw({"network": datasets["network"]}).axes
    assert "an unknown share" in notes(losses)
    assert "threshold undefined" in notes(successes)
    assert not successes.patches


def test_the_same_data_give_the_same_bytes(datasets):
    with style.applied():
        first, again = (svg.encode(draw(datasets), "svg") for _ in range(2))
    assert first == again
    assert len(first) < 1_000_000
