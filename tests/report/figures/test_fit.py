import itertools
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from nwedge.report import svg
from nwedge.report.figures import fit, style


def quantity(*values: float | None) -> dict:
    mean = None if None in values else float(np.mean([value for value in values if value is not None]))
    return {"mean": mean, "interval": None if mean is None else [0.8 * mean, 1.2 * mean], "values": list(values)}


def landscape(dim: int, true: int | None, s: float, *, lost: bool = False) -> dict:
    m = [1, 2, 3, 4, 5]
    around = quantity(0.9 * s, 1.1 * s, None) if lost else quantity(0.9 * s, s, 1.1 * s)
    estimates = [{"experiment": name, "threshold": None, "s": around} for name in ("d_lim", "probes")]
    thresholds = (0.01, 0.03, 0.1)
    estimates += [{"experiment": "m-growth", "threshold": one, "s": quantity(s, 2 * s, s)} for one in thresholds]
    counts = [quantity(s * k, s * k) for k in m]
    growth = [{"threshold": one, "m": m, "count": counts, "fitted": counts, "residual": quantity(0.1)} for one in
              thresholds]  # fmt: skip
    return {"dim": dim, "true_s": true, "estimates": estimates, "growth": growth}


FIT = {
    "landscapes": {
        "network": landscape(6310, None, 90.0, lost=True),
        "toy-complete": landscape(500, 200, 190.0),
        "toy-sampled": landscape(300, 15, 14.0),
    }
}


def draw(found: dict) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = fit.figure(found)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def test_every_estimate_has_its_mean_its_interval_and_its_seeds():
    numbers = draw(FIT).axes[0]
    means = [line for line in numbers.lines if line.get_marker() == "o"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in means] == pytest.approx([190, 190, *[4 / 3 * 190] * 3])
    bars = [np.asarray(line.get_xdata()) for line in numbers.lines if line.get_linewidth() == 3.0]
    np.testing.assert_allclose(bars[0], [0.8 * 190, 1.2 * 190])
    seeds = [line for line in numbers.lines if line.get_marker() == "|"]
    assert [len(np.asarray(line.get_xdata())) for line in seeds] == [3] * 5
    assert [label.get_text() for label in numbers.get_yticklabels()][::4] == ["d_lim", "m-growth, > 0.1"]


def test_the_true_s_of_a_toy_is_a_dashed_line_and_a_network_has_none():
    toy, _, network = draw(FIT).axes[:3]
    assert any(list(np.asarray(line.get_xdata())) == [200, 200] for line in toy.lines)
    assert any("true s 200 of 500" in text.get_text() for text in toy.texts)
    assert not any("true" in text.get_text() for text in network.texts)


def test_an_undefined_estimate_says_so_in_its_place():
    network = draw(FIT).axes[2]
    assert sum("undefined in 1 of 3 seeds" in text.get_text() for text in network.texts) == 2


def test_counts_and_fitted_curves_stand_below():
    growth = draw(FIT).axes[3]
    curves = [line for line in growth.lines if line.get_linewidth() == 1.4]
    assert len(curves) == 3
    np.testing.assert_allclose(np.asarray(curves[0].get_ydata()), 190.0 * np.arange(1, 6))


def test_without_counts_a_sentence_takes_the_place():
    lost = landscape(300, 15, 14.0)
    for one in lost["growth"]:
        one["count"] = one["fitted"] = [quantity(None)] * 5
    figure = draw({"landscapes": {"toy-sampled": lost}})
    assert [text.get_text() for text in figure.axes[1].texts] == ["no count is defined here"]


def test_no_two_texts_overlap():
    figure = draw(FIT)
    shown = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        shown += [*axes.texts, axes.xaxis.label, axes.yaxis.label, *axes.get_yticklabels()]
        low, high = axes.get_xlim()
        shown += [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"


def test_equal_fits_give_equal_bytes():
    with style.applied():
        assert svg.encode(draw(FIT), "svg") == svg.encode(draw(FIT), "svg")


def test_the_caption_says_how_to_read_it():
    assert fit.CAPTION.endswith(".")
