import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import svg
from nwedge.report.figures import DRAWINGS, style


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def test_the_mean_leaves_out_undefined_rows_and_keeps_single_gaps(axes):
    values = np.array([[1.0, 2.0, 3.0], [3.0, np.nan, 5.0], [np.nan] * 3])
    style.curves(axes, np.arange(3.0), values, "#123456")
    *thin, mean = axes.lines
    assert len(thin) == 2
    np.testing.assert_array_equal(mean.get_ydata(), [2.0, np.nan, 4.0])


def test_the_mean_is_over_all_rows_where_only_some_are_drawn(axes):
    values = np.random.default_rng(0).random((200, 5))
    style.curves(axes, np.arange(5.0), values, "#123456")
    *thin, mean = axes.lines
    assert len(thin) == style.DRAWN
    assert all(line.get_rasterized() for line in thin)
    np.testing.assert_allclose(mean.get_ydata(), values.mean(0))


def test_each_row_may_have_its_own_places(axes):
    places = np.array([[0.0, 1.0], [0.2, 0.8]])
    style.curves(axes, places, np.ones((2, 2)), "#123456")
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), places[1])
    np.testing.assert_allclose(axes.lines[2].get_xdata(), [0.1, 0.9])


def test_nothing_is_drawn_of_rows_that_are_undefined_throughout(axes):
    style.curves(axes, np.arange(3.0), np.full((2, 3), np.nan), "#123456")
    assert not axes.lines


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.1, 1.0], "linear"),
        ([0.01, 1.0], "log"),
        ([0.0, 1.0], "symlog"),
        ([1e-30, 1.0], "symlog"),
        ([0.0, 0.0], "linear"),
        ([-1.0, 1.0], "linear"),
        ([np.nan, np.nan], "linear"),
        ([np.nan, np.inf, 0.01, 5.0], "log"),
    ],
)
def test_the_scale_follows_the_span_and_shows_every_value(axes, values, scale):
    axes.plot(values)
    style.value_scale(axes, np.array(values), decades=3)
    assert axes.get_yscale() == scale
    bottom, top = axes.get_ylim()
    finite = [value for value in values if np.isfinite(value)]
    assert all(bottom <= value <= top for value in finite)


def test_a_scale_across_a_panel_is_that_of_a_vertical_one(axes):
    style.value_scale(axes, np.array([0.0, 2.0]), decades=3, across=True)
    assert (axes.get_xscale(), axes.get_yscale()) == ("symlog", "linear")
    assert list(axes.get_xticks()) == [0.0, 1.0, 0.1, 0.01, 0.001]
    assert axes.get_xlim()[1] > 2


def test_zero_has_a_tick_of_its_own_below_the_decades(axes):
    style.value_scale(axes, np.array([0.0, 2.0]), decades=3)
    assert list(axes.get_yticks()) == [0.0, 1.0, 0.1, 0.01, 0.001]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "0.1", "0.01", "0.001"]


def test_steps_start_at_zero_on_a_logarithmic_axis(axes):
    style.step_scale(axes, np.array([0, 1, 10, 2500]))
    assert axes.get_xlim()[0] < 0
    assert axes.get_xlim()[1] > 2500
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100", "1000"]


def test_a_label_is_repeated_only_where_the_quantity_changes():
    row = Figure().subplots(1, 4)
    row[2].set_axis_off()
    style.label_left(row, ["loss", "loss", "none", "accuracy"])
    assert [axes.get_ylabel() for axes in row] == ["loss", "", "", "accuracy"]


def test_the_users_settings_of_matplotlib_do_not_matter_and_come_back():
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30.0}):
        with style.applied():
            assert matplotlib.rcParams["lines.linewidth"] != 9.0
            assert matplotlib.rcParams["font.size"] == style.STYLE["font.size"]
        assert matplotlib.rcParams["font.size"] == 30.0


@pytest.mark.parametrize(("claim", "passes"), [("tunnels", 1), ("two-halves", 2)])
def test_a_settled_figure_is_that_which_is_laid_out_by_drawing_it_and_is_drawn_once_a_file(
    datasets, rows, claim, passes, monkeypatch
):
    drawn = []
    original = Figure.draw

    def counted(figure, renderer):
        drawn.append(figure)
        original(figure, renderer)

    files = {}
    with style.applied():
        for way in ("settled", "drawn"):
            figure = DRAWINGS[claim].figure(datasets[claim], [row for row in rows if row["claim"] == claim])
            if way == "settled":
                monkeypatch.setattr(Figure, "draw", counted)
                style.settle(figure)
            else:
                for _ in range(passes):
                    figure.draw_without_rendering()
                figure.set_layout_engine("none")
            files[way] = [svg.encode(figure, kind) for kind in ("svg", "png")]
            monkeypatch.undo()
    assert files["settled"] == files["drawn"]
    assert len(drawn) == 2
