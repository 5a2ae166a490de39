"""The checkpoints as a graph: two are joined where the straight line between them is low."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "The checkpoints on a circle, cluster by cluster; a line joins two where the straight line between their weights "
    "is low. A cluster is what such lines connect, directly or through others: by the wedge picture, one wedge. Places "
    "on the circle have no meaning."
)
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of the clusters, told apart by the colour-blind; the next six clusters have another mark."""
MARKS = ("o", "s", "^", "D", "v", "P", "X", "h")
GAP = 1.0
"""Between two clusters on the circle, in steps from one checkpoint to the next."""
NAMED = 12
"""The most clusters in the legend."""
CROWDED = 16
"""Checkpoints beyond which the circle is larger and the labels smaller."""


def figure(
    barriers: Float[np.ndarray, "n n"], level: float, clusters: Sequence[Sequence[int]], labels: Sequence[str]
) -> Figure:
    """The graph of low lines.

    Args:
        barriers: of all pairs.
        level: the highest barrier of a line that counts as low; NaN joins nothing.
        clusters: the checkpoints by place.
        labels: of the checkpoints, by place.
    """
    crowded = len(labels) > CROWDED
    found = Figure(figsize=(6.6, 6.6) if crowded else (4.8, 4.2), layout="constrained")
    axes = found.subplots()
    spots = _spots(clusters)
    places = [place for members in clusters for place in members]
    low = [
        (spots[one], spots[other]) for one, other in itertools.combinations(places, 2) if barriers[one, other] <= level
    ]
    axes.add_collection(LineCollection(low, color=style.MUTED, linewidth=0.6 if crowded else 1.3, alpha=0.6, zorder=1))
    for number, members in enumerate(clusters):
        at = np.array([spots[place] for place in members])
        axes.plot(*at.T, linestyle="none", markersize=6 if crowded else 9, **_look(number, len(members)))
    for place, (x, y) in spots.items():
        _label(axes, labels[place], x, y, crowded=crowded)
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.1, 1.1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    style.legend(found, _legend(clusters))
    return found


def _spots(clusters: Sequence[Sequence[int]]) -> dict[int, tuple[float, float]]:
    """Where on the unit circle each checkpoint is: clockwise from the top, with a gap after each cluster."""
    gap = GAP if len(clusters) > 1 else 0.0
    total = sum(map(len, clusters)) + gap * len(clusters)
    spots, passed = {}, 0.0
    for members in clusters:
        for place in members:
            turn = 2 * math.pi * passed / total
            spots[place] = (math.sin(turn), math.cos(turn))
            passed += 1
        passed += gap
    return spots


def _look(number: int, members: int) -> dict[str, Any]:
    """The mark of a cluster; checkpoints alone are all alike."""
    if members == 1:
        return {"marker": "o", "color": style.MUTED, "markerfacecolor": style.PAPER}
    return {"marker": MARKS[number // len(HUES) % len(MARKS)], "color": HUES[number % len(HUES)]}


def _label(axes: Axes, text: str, x: float, y: float, *, crowded: bool) -> None:
    """A label outside of the circle; where there are many it points away from the centre, so that none meet."""
    right = x >= -1e-9
    if crowded:
        turn = math.degrees(math.atan2(y, x)) - (0 if right else 180)
        axes.text(
            1.07 * x, 1.07 * y, text, rotation=turn, rotation_mode="anchor",
            ha="left" if right else "right", va="center", size=6.5, parse_math=False,
        )  # fmt: skip
        return
    beside = abs(x) > 0.3
    across = ("left" if right else "right") if beside else "center"
    up = "center" if abs(y) < 0.8 else "bottom" if y > 0 else "top"
    axes.text(1.1 * x, 1.1 * y, text, ha=across, va=up, size=8, parse_math=False)


def _legend(clusters: Sequence[Sequence[int]]) -> dict[str, Artist]:
    """An entry for each larger cluster, of many the first ones, and one for checkpoints alone."""
    entries: dict[str, Artist] = {}
    for number, members in enumerate(clusters):
        if len(members) > 1 and len(entries) < NAMED:
            entries[f"cluster {number + 1}: {words.count(len(members), 'checkpoint')}"] = Line2D(
                [], [], linestyle="none", markersize=7, **_look(number, len(members))
            )
    if alone := sum(len(members) == 1 for members in clusters):
        entries[f"alone: {words.count(alone, 'checkpoint')}"] = Line2D(
            [], [], linestyle="none", markersize=7, **_look(0, 1)
        )
    return entries
