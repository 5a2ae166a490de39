import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from nwedge.report import svg, words
from nwedge.report.figures import DRAWINGS, style
from nwedge.specs.claims import CLAIMS

SIDE_BY_SIDE = ("no-obstacles", "tunnels", "two-halves")
"""The claims of `datasets`: a column for each landscape; figures of another layout have tests of their own."""


def draw(claim: str, datasets: dict, rows: list) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = DRAWINGS[claim].figure(datasets, [row for row in rows if row["claim"] == claim])
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def column(figure: Figure, datasets: dict, name: str) -> list[Axes]:
    """The panels of one landscape, from top to bottom."""
    names = words.ordered(datasets)
    return figure.axes[names.index(name) :: len(names)]


def texts(figure: Figure) -> list[Text]:
    """Everything that is written on a figure: labels of ticks outside of the view are not drawn."""
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        if not axes.axison:
            found.extend(axes.texts)
            continue
        found.extend([*axes.texts, axes.xaxis.label, axes.yaxis.label])
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            found.extend(
                tick.label1 for tick in axis.get_major_ticks() if low - slack <= tick.get_loc() <= high + slack
            )
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def test_every_claim_that_has_a_figure_is_a_claim():
    assert set(DRAWINGS) <= {claim.id for claim in CLAIMS}
    for drawing in DRAWINGS.values():
        assert drawing.CAPTION.endswith(".")
        assert drawing.CAVEATS.endswith(".")


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_no_two_texts_overlap_and_none_leaves_the_figure(claim, datasets, rows):
    figure = draw(claim, datasets[claim], rows)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 20
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"{text!r} leaves the figure"


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_columns_are_headed_by_landscape_and_outcome(claim, datasets, rows):
    figure = draw(claim, datasets[claim], rows)
    for row in rows:
        if row["claim"] == claim:
            head = notes(column(figure, datasets[claim], row["landscape"])[0])
            assert words.title(row["landscape"]) in head
            assert words.outcome(row["landscape"], row["outcome"]) in head


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_the_same_data_give_the_same_bytes_and_other_data_other_bytes(claim, datasets, rows):
    def content(change: float) -> tuple[bytes, bytes]:
        name = words.ordered(datasets[claim])[0]
        changed = {variable: values * change for variable, values in datasets[claim][name].items()}
        figure = draw(claim, {name: datasets[claim][name].assign(changed)}, rows)
        with style.applied():
            return svg.encode(figure, "svg"), svg.encode(figure, "png")

    first, again, other = content(1.0), content(1.0), content(0.5)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_many_seeds_keep_the_file_below_a_megabyte(claim, datasets, rows):
    many = {name: xr.concat([dataset] * 8, "seed") for name, dataset in datasets[claim].items()}
    with style.applied():
        assert len(svg.encode(draw(claim, many, rows), "svg")) < 1_000_000


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_undefined_values_throughout_give_sentences_instead_of_curves(claim, datasets, rows):
    name = "control-horseshoe" if claim == "no-obstacles" else "control-isolated"
    undefined = {
        variable: xr.full_like(values, np.nan)
        for variable, values in datasets[claim][name].data_vars.items()
        if values.dtype.kind == "f"
    }
    figure = draw(claim, {name: datasets[claim][name].assign(undefined)}, rows)
    for axes in figure.axes:
        assert not axes.lines
        assert axes.texts


@pytest.mark.parametrize("claim", SIDE_BY_SIDE)
def test_a_figure_needs_no_verdict(claim, datasets):
    assert "holds" not in notes(draw(claim, datasets[claim], []).axes[0])


def test_no_obstacles_draws_the_mean_of_all_runs_and_names_the_largest_rise(datasets, rows):
    dataset = datasets["no-obstacles"]["control-horseshoe"]
    figure = draw("no-obstacles", datasets["no-obstacles"], rows)
    line, trajectory = column(figure, datasets["no-obstacles"], "control-horseshoe")
    np.testing.assert_allclose(np.asarray(line.lines[-1].get_ydata()), dataset["line_loss"].mean(["seed", "run"]))
    np.testing.assert_allclose(
        np.asarray(trajectory.lines[-1].get_ydata()), dataset["trajectory_loss"].mean(["seed", "run"])
    )
    assert len(line.lines) == dataset.sizes["seed"] * dataset.sizes["run"] + 1
    assert words.number(float(dataset["line_rise"].max())) in notes(line)
    assert "largest rise: 0 of the drop" in notes(trajectory)
    runs = dataset.sizes["seed"] * dataset.sizes["run"]
    assert f"{runs} of {runs} runs above 0.001" in notes(line)
    assert f"0 of {runs} runs above 0.001" in notes(trajectory)


def test_runs_that_rise_by_more_than_a_thousandth_are_counted(datasets):
    dataset = datasets["no-obstacles"]["toy-complete"]
    few = dataset.assign(line_rise=xr.zeros_like(dataset["line_rise"]))
    few["line_rise"][0, 0], few["line_rise"][1, 0], few["line_rise"][2, 0] = 0.0011, 0.0009, np.nan
    figure = draw("no-obstacles", {"toy-complete": few}, [])
    assert f"1 of {few['line_rise'].size - 1} runs above 0.001, 1 undefined" in notes(figure.axes[0])


def test_tunnels_show_each_path_and_the_share_of_bends(datasets, rows):
    dataset = datasets["tunnels"]["network"]
    figure = draw("tunnels", datasets["tunnels"], rows)
    loss, accuracy, barriers = column(figure, datasets["tunnels"], "network")
    means = [np.asarray(line.get_ydata()) for line in loss.lines if line.get_linewidth() == 2.0]
    np.testing.assert_allclose(np.stack(means), dataset["loss"].mean("seed"))
    assert accuracy.get_ylabel() == "held-out accuracy"
    (bends,) = (patch for patch in barriers.patches if isinstance(patch, StepPatch))
    assert bends.get_data()[0].sum() == pytest.approx(1)
    assert "0 of 5,000 bends below the tunnel" in notes(barriers)


def test_tunnels_count_the_bends_that_beat_the_tunnel_of_their_own_seed(datasets, rows):
    dataset = datasets["tunnels"]["toy-complete"].copy(deep=True)
    dataset["bend_barrier"][:] = 20.0
    dataset["bend_barrier"][{"bend": slice(0, 7)}] = 9.0
    dataset["barrier"].loc[{"path": "sheet"}] = 0.0
    dataset["barrier"].loc[{"path": "sheet", "seed": 0}] = 10.0
    figure = draw("tunnels", {"toy-complete": dataset}, rows)
    assert "7 of 5,000 bends below the tunnel" in notes(figure.axes[-1])


def test_tunnels_have_two_rows_where_nothing_but_the_loss_is_known(datasets, rows):
    known = ["accuracy", "held_out_loss", "held_out_accuracy", "distance", "zeroed"]
    bare = {name: dataset.drop_vars(known, errors="ignore") for name, dataset in datasets["tunnels"].items()}
    assert len(draw("tunnels", bare, rows).axes) == 2 * len(bare)
    assert len(draw("tunnels", datasets["tunnels"], rows).axes) == 3 * len(bare)


def test_two_halves_show_the_mean_cosine_and_count_the_seeds_without_directions(datasets, rows):
    dataset = datasets["two-halves"]["network"].copy(deep=True)
    dataset["cosine"][{"seed": 1, "path": 1}] = np.nan
    pointwise, sheet, change, _ = draw("two-halves", {"network": dataset}, rows).axes
    cosine = datasets["two-halves"]["network"]["cosine"]
    np.testing.assert_allclose(np.asarray(pointwise.images[0].get_array()), cosine.sel(path="pointwise").mean("seed"))
    kept = cosine.sel(path="sheet").isel(seed=[0, 2, 3, 4])
    np.testing.assert_allclose(np.asarray(sheet.images[0].get_array()), kept.mean("seed"))
    assert "4 of 5 seeds" in notes(sheet)
    assert "seeds" not in notes(pointwise)
    assert len(change.lines) == 2 * (5 + 1)


def test_two_halves_take_places_that_differ_from_path_to_path(datasets, rows):
    dataset = datasets["two-halves"]["network"]
    places = (dataset["t"] * xr.DataArray([1.0, 0.5], dims="path")).transpose("path", "place")
    moved = dataset.drop_vars("t").assign(t=places)
    change = draw("two-halves", {"network": moved}, rows).axes[2]
    thick = [np.asarray(line.get_xdata()) for line in change.lines if line.get_linewidth() == 2.0]
    np.testing.assert_allclose(np.stack(thick), places)
