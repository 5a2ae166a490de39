"""The figures of a diagnosis hold what was found; every test draws small ones."""

import itertools
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nwedge.report import words
from nwedge.report.diagnosis import document, pairs
from nwedge.report.diagnosis.figures import accuracies, graph, matrix, plane, ways
from nwedge.report.diagnosis.reading import read
from nwedge.report.figures import style


def draw(function: Callable[..., Figure], *arguments: Any, **named: Any) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = function(*arguments, **named)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def marks(axes: Axes) -> dict[Any, list[tuple[float, float]]]:
    """The places of the marks, by their shape."""
    found: dict[Any, list[tuple[float, float]]] = {}
    for line in axes.lines:
        if line.get_marker() not in ("", "None", None):
            found.setdefault(line.get_marker(), []).extend(np.asarray(line.get_xydata()).tolist())
    return found


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


# accuracies


def test_each_option_has_a_mark_its_interval_and_its_numbers(five):
    (axes,) = draw(accuracies.figure, five["options"], five["recommendation"]).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "average", "align, then average", "★ greedy soup", "best checkpoint", "★ ensemble", "points of an m-tunnel",
    ]  # fmt: skip
    assert texts(axes)[2] == "95.5\xa0% [94.5, 96.5]"
    np.testing.assert_allclose(sorted(marks(axes)["o"], key=lambda spot: spot[1]), [[94, 1], [95.5, 2], [95, 3]])
    np.testing.assert_allclose(marks(axes)["D"], [[97, 4], [96.5, 5]])
    bars = [
        np.asarray(line.get_xdata())
        for line in axes.lines
        if line.get_linewidth() == 2.4 and len(line.get_xdata()) == 2
    ]
    assert any(np.allclose(bar, [94.5, 96.5]) for bar in bars)


def test_an_option_far_below_is_an_arrow_at_the_end_of_the_axis(five):
    (axes,) = draw(accuracies.figure, five["options"], five["recommendation"]).axes
    left, _ = axes.get_xlim()
    assert 85 < left < 93
    assert marks(axes)["<"] == [[pytest.approx(left), 0]]
    assert accuracies.far(five["options"])
    five["options"]["average"]["scores"]["accuracy"]["value"] = 0.9
    assert not accuracies.far(five["options"])


def test_options_without_a_number_have_no_mark(undefined):
    (axes,) = draw(accuracies.figure, undefined["options"], undefined["recommendation"]).axes
    assert marks(axes) == {}
    assert [text.strip() for text in texts(axes)] == ["undefined"] * 6


# matrix


@pytest.fixture
def heat(five) -> Callable[..., Figure]:
    return partial(
        draw, matrix.figure, labels=list("abcde"), sizes=[3, 2], quantity="barrier", say=matrix.plain,
    )  # fmt: skip


def test_cells_hold_the_numbers_and_the_level_is_where_colours_turn(heat, five):
    values = np.array(five["barriers"])
    figure = heat(values, level=0.1)
    axes, bar = figure.axes
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(shown), np.eye(5, dtype=bool))
    np.testing.assert_allclose(shown[~np.eye(5, dtype=bool)], values[~np.eye(5, dtype=bool)])
    numbers = sorted(words.number(float(value), 2) for value in values[~np.eye(5, dtype=bool)])
    assert sorted(texts(axes)) == numbers
    assert axes.images[0].norm(0.1) == pytest.approx(0.5)
    assert "0.1 (level)" in [label.get_text() for label in bar.get_xticklabels()]
    assert bar.get_xlabel() == "barrier"


def test_clusters_are_parted_where_several_lie_together(heat, five):
    def edges(sizes: list[int]) -> list[float]:
        return [float(np.asarray(line.get_ydata())[0]) for line in heat(np.eye(5), sizes=sizes).axes[0].lines][::2]

    assert edges([3, 2]) == [2.5]
    assert edges([2, 1, 1, 1]) == [1.5]
    assert edges([1] * 5) == []
    assert edges([5]) == []


def test_undefined_cells_are_hatched_and_bear_no_number(heat, five):
    values = np.array(five["barriers"])
    values[0, 1] = values[1, 0] = np.nan
    (axes, _) = heat(values, level=0.1).axes
    hatched = {patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()}
    assert hatched == {(0.5, -0.5), (-0.5, 0.5)}
    assert len(texts(axes)) == 18


@pytest.mark.parametrize("level", [None, 0.0, float("nan"), 1e9])
@pytest.mark.parametrize("values", [np.full((5, 5), np.nan), np.zeros((5, 5)), np.arange(25.0).reshape(5, 5) - 3])
def test_any_values_and_any_level_can_be_drawn(heat, level, values):
    (axes, _) = heat(values, level=level).axes
    assert axes.images


def test_numbers_contrast_with_their_cells(heat):
    values = np.linspace(0, 1, 25).reshape(5, 5)
    axes = heat(values, level=0.4).axes[0]
    image = axes.images[0]

    def luminance(colour: Any) -> float:
        part = np.array(to_rgba(colour)[:3])
        return float(
            np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    for text in axes.texts:
        column, row = (round(place) for place in text.get_position())
        low, high = sorted([luminance(text.get_color()), luminance(image.cmap(image.norm(values[row, column])))])
        assert (high + 0.05) / (low + 0.05) > 4.4


def test_many_checkpoints_have_no_numbers_and_a_label_each(make):
    count = matrix.NUMBERED + 1
    labels = [f"seed-{place}" for place in range(count)]
    say = matrix.plain
    few = draw(matrix.figure, np.eye(count - 1), labels[1:], [1] * (count - 1), quantity="q", say=say).axes[0]
    many = draw(matrix.figure, np.eye(count), labels, [1] * count, quantity="q", say=say).axes[0]
    assert (len(few.texts), len(many.texts)) == ((count - 1) * (count - 2), 0)
    assert [label.get_text() for label in many.get_yticklabels()] == labels


def test_labels_of_fifty_do_not_overlap(fifty):
    found = read(fifty)
    axes = draw(matrix.figure, found.barriers, found.labels, [25, 15, *[1] * 10], quantity="q", say=matrix.plain).axes[
        0
    ]
    for one, other in itertools.pairwise([label.get_window_extent() for label in axes.get_yticklabels()]):
        assert other.y1 <= one.y0 + 1


# graph


def test_low_lines_join_checkpoints_and_clusters_have_marks_of_their_own(five):
    found = read(five)
    figure = draw(graph.figure, found.barriers, found.level, found.clusters, found.labels)
    (axes,) = figure.axes
    (edges,) = (one for one in axes.collections if isinstance(one, LineCollection))
    spots = graph._spots(found.clusters)
    low = [pair for pair in itertools.combinations(range(5), 2) if found.barriers[pair] <= found.level]
    drawn = {frozenset(map(tuple, np.round(segment, 9))) for segment in edges.get_segments()}
    assert drawn == {frozenset(tuple(np.round(spots[place], 9)) for place in pair) for pair in low}
    assert sorted(texts(axes)) == sorted(found.labels)
    colours = [line.get_color() for line in axes.lines]
    assert colours == list(graph.HUES[:2])
    assert legend(figure) == ["cluster 1: 3 checkpoints", "cluster 2: 2 checkpoints"]


def test_checkpoints_alone_are_hollow_and_counted(make):
    found = read(make(list("abcd"), [[1, 2], [0], [3]]))
    figure = draw(graph.figure, found.barriers, found.level, found.clusters, found.labels)
    assert legend(figure) == ["cluster 1: 2 checkpoints", "alone: 2 checkpoints"]
    assert [line.get_markerfacecolor() for line in figure.axes[0].lines[1:]] == [style.PAPER] * 2


def test_many_clusters_differ_in_colour_or_mark():
    looks = [(look["color"], look["marker"]) for look in (graph._look(number, 2) for number in range(25))]
    assert len(set(looks)) == 25


def test_the_places_of_a_circle_are_different_and_at_its_rim(fifty):
    spots = np.array(list(graph._spots(read(fifty).clusters).values()))
    np.testing.assert_allclose(np.linalg.norm(spots, axis=1), 1)
    distances = np.linalg.norm(spots[:, None] - spots, axis=2)[~np.eye(50, dtype=bool)]
    assert distances.min() > 0.09


# ways


def test_each_way_has_its_marks_and_the_level_is_in_sight(with_statistics):
    found = read(with_statistics)
    barriers, labels = pairs.ways(found), [found.labels[place] for place in found.others]
    figure = draw(ways.figure, barriers, labels, found.level)
    (axes,) = figure.axes
    for way, values in barriers.items():
        drawn = np.array(marks(axes)[ways.MARKS[way][0]])
        np.testing.assert_allclose(drawn, np.column_stack([values, np.arange(4)]))
    low, high = axes.get_xlim()
    assert low < found.level < high
    assert any(np.allclose(np.asarray(line.get_xdata()), found.level) for line in axes.lines)
    assert legend(figure) == list(barriers)
    assert [label.get_text() for label in axes.get_yticklabels()] == labels


def test_low_barriers_alone_leave_the_level_in_sight():
    (axes,) = draw(ways.figure, {pairs.LINE: np.array([0.02])}, ["b"], 0.1).axes
    assert axes.get_xlim()[1] > 0.1


def test_no_barrier_gives_a_sentence():
    (axes,) = draw(ways.figure, {pairs.LINE: np.array([np.nan])}, ["b"], 0.1).axes
    assert texts(axes) == ["no barrier is defined"]
    assert not axes.lines


# plane


def test_the_plane_shows_the_loss_and_the_checkpoints(five):
    figure = draw(plane.figure, five["plane"], ["a", "b", "c"])
    axes, bar = figure.axes
    assert texts(axes) == ["a", "b", "c"]
    np.testing.assert_allclose(marks(axes)["o"], five["plane"]["corners"])
    filled = axes.collections[0]
    low, high = np.min(five["plane"]["loss"]), np.max(five["plane"]["loss"])
    assert filled.norm.vmin <= low < high <= filled.norm.vmax
    assert filled.norm(np.sqrt(filled.norm.vmin * filled.norm.vmax)) == pytest.approx(0.5)
    assert bar.get_xlabel() == "training loss (nats)"
    assert not axes.patch.get_hatch()


def test_undefined_losses_are_hatched(five):
    five["plane"]["loss"][4][4] = None
    axes = draw(plane.figure, five["plane"], ["a", "b", "c"]).axes[0]
    assert axes.patch.get_hatch()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_undefined_losses_have_no_colour(five, value):
    five["plane"]["loss"][0][0] = value
    axes = draw(plane.figure, five["plane"], ["a", "b", "c"]).axes[0]
    filled = next(one for one in axes.collections if getattr(one, "filled", False))
    corner = [np.quantile(five["plane"][axis][:2], 0.2) for axis in ("x", "y")]
    assert not any(path.contains_point(corner) for path in filled.get_paths())


def test_a_plane_without_a_number_gives_a_sentence(five, undefined):
    five["plane"]["loss"] = undefined["plane"]["loss"]
    for one in (five["plane"], undefined["plane"]):
        (axes,) = draw(plane.figure, one, ["a", "b", "c"]).axes
        assert texts(axes) == ["the loss is undefined on this plane"]


# all of them


def test_heat_maps_go_cluster_by_cluster(five):
    found, drawn = read(five), document._figures(read(five))
    for name, values in (("barriers", found.barriers), ("angles", found.angles), ("disagreement", found.disagreement)):
        axes = draw(drawn[name]).axes[0]
        order = [found.labels.index(label.get_text()) for label in axes.get_yticklabels()]
        assert order == [0, 2, 3, 1, 4]
        shown = np.ma.filled(axes.images[0].get_array(), 0)
        np.testing.assert_allclose(shown, values[order][:, order] * (100 if name == "disagreement" else 1))


def test_names_are_no_formulas(make):
    names = ["$x", "$y^$", "\\alpha$_$", "z$z$"]
    for drawn in document._figures(read(make(names, [[0, 1], [2], [3]]))).values():
        draw(drawn)


def test_no_two_texts_of_a_figure_overlap(with_statistics):
    for name, drawn in document._figures(read(with_statistics)).items():
        figure = draw(drawn)
        for axes in figure.axes:
            labels = [*axes.get_xticklabels(), *axes.get_yticklabels()] if axes.axison else []
            low = [text for text in (*axes.texts, *labels) if text.get_text() and name != "plane"]
            boxes = [(text.get_text(), text.get_window_extent()) for text in low]
            for (one, first), (two, second) in itertools.combinations(boxes, 2):
                width = min(first.x1, second.x1) - max(first.x0, second.x0)
                height = min(first.y1, second.y1) - max(first.y0, second.y0)
                assert width < 1 or height < 1, f"{name}: {one!r} overlaps {two!r}"
