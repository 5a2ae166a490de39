"""The number s of the wedge model by experiment, and the growth of the short directions with m that it would give."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the number s of short directions that each experiment gives, if the landscape were one wedge (d_lim, "
    "probes) or a meeting of m independent wedges (m-growth, for each curvature above which directions are counted). "
    "Small marks are seeds, the bar is the 95 % interval of their mean; the dashed line is the true s of a toy. If the "
    "model held, all bars of a panel would lie on one vertical line. Below: the counted short directions where m "
    "optima meet (dots: mean over seeds with its interval) and the curve D [1 - (1 - s/D)^m] of the s that fits them "
    "best."
)
THRESHOLD_COLOURS = ("#2b83ba", "#e08214", "#b0529e", "#1a8f5a")
PLAIN = "#8c8c8c"


def figure(fit: Mapping[str, Any]) -> Figure:
    """Two rows, one column per landscape, from the content of fit.json."""
    found = fit["landscapes"]
    names = words.ordered(found)
    fig, axes = style.panels(2, names, [], height=2.2)
    for number, (column, name) in enumerate(zip(axes.T, names, strict=True)):
        _numbers(column[0], found[name], labelled=number == 0)
        _growth(column[1], found[name]["growth"])
    style.label_left(axes[1], ["short directions"] * len(names))
    thresholds = list(dict.fromkeys(one["threshold"] for name in names for one in found[name]["growth"]))
    entries = {
        f"curvature above {threshold:g}": style.stroke(_colour(index)) for index, threshold in enumerate(thresholds)
    }
    style.legend(fig, entries)
    return fig


def _numbers(axes: Axes, found: Mapping[str, Any], *, labelled: bool) -> None:
    estimates = found["estimates"]
    thresholds = [one["threshold"] for one in found["growth"]]
    places = np.arange(len(estimates))[::-1]
    for place, one in zip(places, estimates, strict=True):
        colour = PLAIN if one["threshold"] is None else _colour(thresholds.index(one["threshold"]))
        _mark(axes, one["s"], float(place), colour)
    if found["true_s"] is not None:
        axes.axvline(found["true_s"], color=style.INK, linewidth=1.0, linestyle=(0, (4, 2)))
        style.note(axes, f"true s {words.number(found['true_s'])} of {words.number(found['dim'])}")
    else:
        style.note(axes, f"of {words.number(found['dim'])} dimensions")
    names = [
        one["experiment"] if one["threshold"] is None else f"{one['experiment']}, > {one['threshold']:g}"
        for one in estimates
    ]
    axes.set_yticks(places, names if labelled else [""] * len(names))
    axes.set_ylim(-0.6, len(estimates) - 0.4)
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(0, 1.3 * found["dim"])
    powers = range(int(np.log10(found["dim"])) + 1)
    axes.xaxis.set_major_locator(FixedLocator([0.0, *(10.0**power for power in powers)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("s, short directions")


def _mark(axes: Axes, value: Mapping[str, Any], place: float, colour: str) -> None:
    seeds = [one for one in value["values"] if one is not None]
    axes.plot(seeds, np.full(len(seeds), place + 0.22), "|", color=colour, markersize=4)
    if value["mean"] is None:
        text = f"undefined in {value['values'].count(None)} of {len(value['values'])} seeds"
        axes.text(0.98, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=7)
        return
    low, high = value["interval"] or (value["mean"], value["mean"])
    axes.plot([low, high], [place, place], color=colour, linewidth=3.0, solid_capstyle="butt")
    axes.plot(value["mean"], place, "o", color=colour, markersize=4.5)


def _growth(axes: Axes, growth: Sequence[Mapping[str, Any]]) -> None:
    means = [value["mean"] for one in growth for value in one["count"] if value["mean"] is not None]
    if not means:
        style.says(axes, "no count is defined here")
        return
    for index, one in enumerate(growth):
        colour = _colour(index)
        known = [(m, value) for m, value in zip(one["m"], one["count"], strict=True) if value["mean"] is not None]
        for m, value in known:
            axes.plot([m, m], value["interval"] or [value["mean"]] * 2, color=colour, linewidth=1.2)
        axes.plot([m for m, _ in known], [value["mean"] for _, value in known], "o", color=colour, markersize=3.5)
        fitted = [np.nan if value["mean"] is None else value["mean"] for value in one["fitted"]]
        axes.plot(one["m"], fitted, color=colour, linewidth=1.4)
    style.value_scale(axes, np.array(means), decades=3)
    axes.set_xlabel("m, optima that meet")
    axes.set_xticks(sorted({m for one in growth for m in one["m"]}))


def _colour(index: int) -> str:
    return THRESHOLD_COLOURS[index % len(THRESHOLD_COLOURS)]
