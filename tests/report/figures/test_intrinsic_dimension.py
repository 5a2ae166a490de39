import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import svg
from nwedge.report.figures import intrinsic_dimension, style

SIZES = ["width 0.5, all examples", "width 2, all examples", "width 1, 350 examples", "width 1, 700 examples"]
SEED = {"seed": np.arange(5)}


def made_up(sizes: list[str]) -> xr.Dataset:
    """Results of five seeds with the schema of the claim."""
    count = np.arange(2, 2 + len(sizes)) * np.ones((5, 1))
    return xr.Dataset(
        {
            "count": (("seed", "size"), count),
            "threshold": (("seed", "size"), 40 * count + np.arange(5)[:, None]),
            "curvature": ("seed", np.full(5, 0.03)),
        },
        {"size": np.array(sizes, dtype=str), **SEED},
    )


def beside(dataset: xr.Dataset, d: float, count: float) -> xr.Dataset:
    counts = np.stack([np.full((5, 2), 999.0), np.full((5, 2), count)], axis=1)
    short = xr.Dataset(
        {"center_count": (("seed", "threshold", "m"), counts)}, {"threshold": [0.01, 0.03], "m": [1, 2], **SEED}
    )
    return intrinsic_dimension.beside(dataset, xr.Dataset({"threshold": ("seed", np.full(5, d))}, SEED), short)


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {"toy-sampled": beside(made_up([]), 10, 15), "network": beside(made_up(SIZES), 230, 6)}


def draw(datasets: dict, rows: tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = intrinsic_dimension.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def test_each_setting_and_seed_is_a_mark_at_its_count_and_threshold(datasets):
    toy, network = draw(datasets).axes
    own, diagonal = toy.lines
    assert np.asarray(own.get_xdata()).tolist() == [15] * 5
    assert np.asarray(own.get_ydata()).tolist() == [10] * 5
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert len(network.lines) == len(SIZES) + 2
    np.testing.assert_allclose(np.asarray(network.lines[1].get_ydata()), 120 + np.arange(5))
    assert "curvature > 0.03" in notes(network)
    assert toy.get_xlim() == toy.get_ylim() == network.get_xlim()


def test_the_legend_names_the_settings(datasets):
    labels = [text.get_text() for text in draw(datasets).legends[0].get_texts()]
    assert labels == ["the landscape itself", *SIZES, "the two are equal", "within a factor of 2"]


def test_without_the_two_numbers_of_the_landscape_itself_the_others_are_drawn():
    toy, network = draw({"toy-sampled": made_up([]), "network": made_up(SIZES)}).axes
    assert "no count and no threshold" in notes(toy)
    assert len(network.lines) == len(SIZES) + 1


def test_counts_of_none_are_drawn_at_the_edge_and_counted(datasets):
    datasets["network"]["count"][:2, 0] = 0
    datasets["network"]["threshold"][0, 1] = np.nan
    _, network = draw(datasets).axes
    assert np.asarray(network.lines[0].get_xdata()).tolist() == [0.5, 0.5, 2, 2, 2]
    assert len(np.asarray(network.lines[1].get_xdata())) == 4
    assert "2 counts of 0" in notes(network)


def test_undefined_values_give_a_sentence():
    nothing = made_up(SIZES)
    nothing["count"][:] = np.nan
    (axes,) = draw({"network": nothing}).axes
    assert not axes.lines
    assert "are defined here" in notes(axes)


def test_the_same_data_give_the_same_bytes(datasets):
    with style.applied():
        first, again = (svg.encode(draw(datasets), "svg") for _ in range(2))
    assert first == again
