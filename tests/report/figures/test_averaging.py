"""The figure of averaging: rates, excess against the edge, gap against the angle, and what is undefined."""

import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import svg, words
from nwedge.report.figures import averaging, style

RATES = [0.1, 0.5, 1.0, 2.0, 4.0]
ACCURACIES = ["accuracy", "ensemble_accuracy", "single_accuracy"]


def made_up(name: str) -> xr.Dataset:
    """Results of five seeds with the schema of the claim: averages break from 0.8 on, runs at 4; on the bowl never."""
    rng = np.random.default_rng(0)
    rate, count = np.array(RATES), np.arange(1, 11)
    broken = (rate > 0.8) & (name != "control-bowl")
    single = np.full((5, 5, 10), 0.1) * rng.uniform(0.9, 1.1, (5, 1, 1))
    loss = single * np.where(broken[:, None], count, 1 / count)
    excess = np.where(broken, [0, 0, 0.1, 0.3, 0.2], 0) * rng.uniform(0.9, 1.1, (5, 1))
    counted = ("seed", "rate", "count")
    variables = {
        "loss": (counted, loss),
        "single_loss": (counted, single),
        "stable": (("seed", "rate"), np.tile(rate < 3, (5, 1))),
        "excess": (("seed", "rate"), excess, {"units": "initial loss", "broken": 0.05}),
        "angle": (("seed", "rate"), np.tile([2.0, 10, 30, 45, 80], (5, 1)), {"units": "degrees"}),
        "edge": ("seed", np.full(5, 1.1)),
        "breaks": ("seed", np.full(5, np.nan) if name == "control-bowl" else np.linspace(0.75, 0.85, 5)),
    }
    if name == "network":
        for prefix, what in itertools.product(("", "held_out_"), ACCURACIES):
            drop = 0.2 * loss if what == "accuracy" else 0.1 * single
            variables[f"{prefix}{what}"] = (counted, 0.98 - drop)
    if name.startswith("toy"):
        variables |= {"distance": (counted, np.sqrt(loss)), "single_distance": (counted, np.sqrt(single))}
    return xr.Dataset(variables, {"seed": np.arange(5), "rate": rate, "count": count})


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {name: made_up(name) for name in ("toy-sampled", "network", "control-bowl")}


def draw(datasets: dict, rows: list | tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = averaging.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def column(figure: Figure, datasets: dict, name: str) -> list[Axes]:
    names = words.ordered(datasets)
    return figure.axes[names.index(name) :: len(names)]


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def thick(axes: Axes) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in axes.lines if line.get_linewidth() == 2.0]


def test_the_upper_rows_show_the_lowest_rate_the_last_that_works_and_the_first_that_breaks(datasets):
    figure = draw(datasets)
    for name, by in (
        ("network", averaging.SHOWN["held-out accuracy"]),
        ("toy-sampled", averaging.SHOWN["distance to a wedge"]),
    ):
        panels = column(figure, datasets, name)
        for axes, rate in zip(panels[:3], (0.1, 0.5, 1.0), strict=True):
            assert f"rate {rate:g}, angle" in notes(axes)
            own = datasets[name].sel(rate=rate).mean("seed")
            np.testing.assert_allclose(np.stack(thick(axes)), np.stack([own[variable] for variable in by.values()]))


def test_where_averages_never_break_the_highest_stable_rate_stands_and_a_sentence(datasets):
    panels = column(draw(datasets), datasets, "control-bowl")
    assert "rate 2, angle" in notes(panels[1])
    assert "averages break at no rate" in notes(panels[2])
    assert "breaks nowhere, edge 1.1" in notes(panels[3])
    assert panels[0].get_ylabel() == "loss"


def test_the_excess_is_drawn_where_snapshots_are_trained_with_edge_level_and_marks(datasets):
    dataset = datasets["network"]
    excess = column(draw(datasets), datasets, "network")[3]
    (mean,) = thick(excess)
    np.testing.assert_allclose(mean, [*dataset["excess"].mean("seed").values[:4], np.nan])
    (edge,) = (line for line in excess.lines if line.get_linewidth() == 1.6)
    np.testing.assert_allclose(np.asarray(edge.get_xdata()), 1.1)
    (marks,) = (line for line in excess.lines if line.get_marker() == "|")
    np.testing.assert_allclose(np.asarray(marks.get_xdata()), dataset["breaks"])
    assert any(np.allclose(np.asarray(line.get_ydata()), 0.05) for line in excess.lines)
    assert "breaks at 0.8, edge 1.1" in notes(excess)
    dataset["breaks"][[1, 3]] = np.nan
    assert "breaks at 0.8 (3 of 5), edge 1.1" in notes(column(draw(datasets), datasets, "network")[3])


def test_the_gap_of_networks_is_weight_against_prediction_average_beside_the_published_one(datasets):
    figure = draw(datasets)
    *_, gap = column(figure, datasets, "network")
    dots = {line.get_markerfacecolor() == "none": line for line in gap.lines if line.get_marker() == "o"}
    last = datasets["network"].isel(count=-1)
    expected = last["held_out_accuracy"] - last["held_out_ensemble_accuracy"]
    np.testing.assert_allclose(np.asarray(dots[False].get_ydata()), expected.values[:, :4].ravel())
    np.testing.assert_allclose(np.asarray(dots[True].get_ydata()), expected.values[:, 4])
    (published,) = (line for line in gap.lines if line.get_marker() == "D")
    assert list(np.asarray(published.get_xdata())) == list(averaging.PUBLISHED)
    *_, toy = column(figure, datasets, "toy-sampled")
    (trained, *_) = (line for line in toy.lines if line.get_marker() == "o" and line.get_markerfacecolor() != "none")
    np.testing.assert_allclose(
        np.asarray(trained.get_ydata()), -datasets["toy-sampled"]["excess"].values[:, :4].ravel()
    )
    assert not any(line.get_marker() == "D" for line in toy.lines)
    assert (gap.get_ylabel(), toy.get_ylabel()) == ("gap (accuracy)", "gap (share of loss)")


def test_without_networks_predictions_are_no_part_of_the_legend(datasets):
    def legend(figure: Figure) -> list[str]:
        return [text.get_text() for one in figure.legends for text in one.get_texts()]

    assert "prediction average" in legend(draw(datasets))
    assert "prediction average" not in legend(draw({"toy-sampled": datasets["toy-sampled"]}))


def test_undefined_values_throughout_give_sentences_instead_of_curves(datasets):
    for name in datasets:
        floats = {key: values * np.nan for key, values in datasets[name].items() if values.dtype.kind == "f"}
        bare = datasets[name].assign(floats).assign(stable=datasets[name]["stable"] & False)
        for axes in draw({name: bare}).axes:
            assert not axes.lines
            assert axes.texts


def test_the_order_of_the_rates_does_not_matter_and_the_same_data_give_the_same_bytes(datasets):
    with style.applied():
        first = svg.encode(draw(datasets), "svg")
        turned = {name: dataset.isel(rate=slice(None, None, -1)) for name, dataset in datasets.items()}
        assert svg.encode(draw(turned), "svg") == first
    assert len(first) < 1_000_000


def test_no_two_texts_overlap_and_none_leaves_the_figure(datasets):
    rows = [{"landscape": "network", "outcome": "holds"}, {"landscape": "control-bowl", "outcome": "fails"}]
    figure = draw(datasets, rows)
    assert "fails, as it must" in notes(column(figure, datasets, "control-bowl")[0])
    found = [text for one in figure.legends for text in one.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, *([axes.xaxis.label, axes.yaxis.label] if axes.axison else [])]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"{text!r} leaves the figure"
