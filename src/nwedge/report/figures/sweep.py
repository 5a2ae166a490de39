"""The statistic of a claim against each setting that a sweep varies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "The statistic of the claim against each setting that is varied: the mean over seeds with its 95 % interval, in "
    "the colour of the outcome; the dashed line is the threshold. Lines join combinations that differ in this setting "
    "alone."
)
WIDE = 10
"""The ratio of the largest to the smallest value from which a scale is logarithmic."""


def figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel per setting.

    Args:
        rows: of every combination its `values` by setting, and `outcome`, `statistic` (None: undefined), `interval` and
            `threshold` of its verdict.
    """
    names = list(rows[0]["values"])
    fig = Figure(figsize=(3.4 * len(names) + 0.6, 3.2), layout="constrained")
    axes = np.asarray(fig.subplots(1, len(names), squeeze=False, sharey=True))[0]
    for panel, name in zip(axes, names, strict=True):
        _panel(panel, name, [row for row in rows if row["statistic"] is not None])
    axes[0].set_ylabel("statistic")
    outcomes = [outcome for outcome in words.SYMBOLS if any(row["outcome"] == outcome for row in rows)]
    style.legend(fig, {outcome: _dot(style.COLOURS[outcome]) for outcome in outcomes})
    return fig


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    axes.set_xlabel(name.replace("_", " "))
    if not rows:
        style.says(axes, "no statistic is defined")
        return
    values = list(dict.fromkeys(row["values"][name] for row in rows))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    place = {value: value if numeric else number for number, value in enumerate(values)}
    alike: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for row in rows:
        x, colour = place[row["values"][name]], style.COLOURS[row["outcome"]]
        rest = tuple(value for other, value in row["values"].items() if other != name)
        alike.setdefault(rest, []).append((x, row["statistic"]))
        low, high = row["interval"] or (row["statistic"], row["statistic"])
        axes.plot([x, x], [low, high], color=colour, linewidth=1.4)
        axes.plot(x, row["statistic"], "o", color=colour, markersize=4.5)
    for joined in alike.values():
        axes.plot(*zip(*sorted(joined), strict=True), color=style.COLOURS["bend"], linewidth=0.8, zorder=0)
    axes.axhline(rows[0]["threshold"], color=style.INK, linewidth=1.0, linestyle=(0, (4, 2)))
    if not numeric:
        axes.set_xticks(list(place.values()), [str(value) for value in place])
    elif min(values) > 0 and max(values) >= WIDE * min(values):
        axes.set_xscale("log")


def _dot(colour: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", linestyle="", markersize=4.5)
