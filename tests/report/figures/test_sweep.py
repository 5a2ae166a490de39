import numpy as np
import pytest

from nwedge.report.figures import style, sweep


def row(lr, width, statistic, outcome="holds"):
    interval = None if statistic is None else (statistic - 0.1, statistic + 0.1)
    values = {"lr": lr, "optimizer": width}
    return {"values": values, "outcome": outcome, "statistic": statistic, "interval": interval, "threshold": 0.5}


ROWS = [row(0.01, "sgd", 0.9), row(0.1, "sgd", 0.4, "fails"), row(0.01, "adam", 0.8), row(0.1, "adam", None)]


def draw(rows):
    with style.applied():
        return sweep.figure(rows)


def test_each_setting_has_a_panel_with_every_defined_statistic():
    rates, optimizers = draw(ROWS).axes
    assert (rates.get_xlabel(), rates.get_xscale()) == ("lr", "log")
    assert [tick.get_text() for tick in optimizers.get_xticklabels()] == ["sgd", "adam"]
    for axes, places in ((rates, (0.01, 0.1, 0.01)), (optimizers, (0, 0, 1))):
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [dot.get_xdata()[0] for dot in dots] == list(places)
        assert [dot.get_ydata()[0] for dot in dots] == [0.9, 0.4, 0.8]
        assert [dot.get_color() for dot in dots] == [style.COLOURS[name] for name in ("holds", "fails", "holds")]
    bars = [line for line in rates.lines if line.get_linewidth() == 1.4]
    np.testing.assert_allclose([bar.get_ydata() for bar in bars], [(0.8, 1.0), (0.3, 0.5), (0.7, 0.9)])
    joined = [line for line in rates.lines if line.get_linewidth() == 0.8]
    assert [list(line.get_xdata()) for line in joined] == [[0.01, 0.1], [0.01]]


def test_a_sweep_without_a_statistic_says_so():
    (axes,) = draw([{**row(0.1, "sgd", None), "values": {"lr": 0.1}}]).axes
    assert "no statistic is defined" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("values", "scale"), [((1, 2), "linear"), ((1, 10), "log"), ((0, 10), "linear")])
def test_wide_scales_are_logarithmic(values, scale):
    rows = [{**row(0, "sgd", 0.9), "values": {"lr": value}} for value in values]
    assert draw(rows).axes[0].get_xscale() == scale
