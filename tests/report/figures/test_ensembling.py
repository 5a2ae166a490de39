"""The figure of ensembling: four kinds of ensembles, what is not there, and landscapes without predictions."""

import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import svg, words
from nwedge.report.figures import ensembling, style

KINDS = ["independent", "across", "within", "sheet"]


def made_up(name: str) -> xr.Dataset:
    """Results of five seeds with the schema of the claim; the control has independent optima alone."""
    rng = np.random.default_rng(0)
    values = np.array([0.8, 0.9, 0.2, 0.7]) * rng.uniform(0.9, 1.1, (5, 4))
    if name.startswith("control"):
        values[:] = [0, np.nan, np.nan, np.nan]
    variables = {"diversity": (("seed", "kind"), values), "disagreement": (("seed", "kind"), values / 50)}
    if not name.startswith("toy"):
        known = np.where(np.isnan(values), np.nan, 1)
        variables |= {
            "error_reduction": (("seed", "kind"), values / 4),
            "accuracy": (("seed", "kind"), 0.985 * known),
            "single_accuracy": (("seed", "kind"), 0.98 * known),
        }
    return xr.Dataset(variables, {"seed": np.arange(5), "kind": KINDS})


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {name: made_up(name) for name in ("toy-sampled", "network", "control-repeated")}


def draw(datasets: dict, rows: list | tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ensembling.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def column(figure: Figure, datasets: dict, name: str) -> list[Axes]:
    names = words.ordered(datasets)
    return figure.axes[names.index(name) :: len(names)]


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def test_each_kind_has_its_seeds_and_their_mean(datasets):
    above, below = column(draw(datasets), datasets, "network")
    for axes, what in ((above, "diversity"), (below, "error_reduction")):
        points = [np.asarray(line.get_ydata()) for line in axes.lines if line.get_marker() == "o"]
        np.testing.assert_allclose(np.stack(points), datasets["network"][what].transpose("kind", "seed"))
        means = [float(np.asarray(line.get_ydata())[0]) for line in axes.lines if line.get_linewidth() == 2.0]
        np.testing.assert_allclose(means, datasets["network"][what].mean("seed"))
    assert "accuracy: one 0.98, together 0.985" in notes(below)
    assert above.get_ylabel() == "disagreement / error"


def test_a_kind_that_is_not_there_is_named_none(datasets):
    for axes in column(draw(datasets), datasets, "control-repeated"):
        assert sum(text.get_text() == "none" for text in axes.texts) == 3
        assert len([line for line in axes.lines if line.get_marker() == "o"]) == 1


def test_a_wedge_model_has_no_gain_and_says_so(datasets):
    above, below = column(draw(datasets), datasets, "toy-sampled")
    assert above.get_ylabel() == "disagreement"
    assert not below.lines
    assert "predicts no classes" in notes(below)


def test_undefined_values_throughout_give_sentences_instead_of_points(datasets):
    for axes in draw({"network": datasets["network"] * np.nan}).axes:
        assert not axes.lines
        assert axes.texts


def test_no_two_texts_overlap_and_the_same_data_give_the_same_bytes(datasets):
    rows = [{"landscape": "control-repeated", "outcome": "fails"}]
    figure = draw(datasets, rows)
    assert "fails, as it must" in notes(column(figure, datasets, "control-repeated")[0])
    found = [text for one in figure.legends for text in one.get_texts()]
    for axes in figure.axes:
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        found += axes.texts
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"
    with style.applied():
        first, again = svg.encode(figure, "svg"), svg.encode(draw(datasets, rows), "svg")
    assert first == again
