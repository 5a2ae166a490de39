"""The barriers from the best checkpoint to each of the others, by the way that one takes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.diagnosis.pairs import AFTER, AVERAGED, LINE, TRAINED
from nwedge.report.figures import style

CAPTION = (
    "The barrier between the best checkpoint and each of the others, in nats, by the way from one to the other: the "
    "straight line between their weights; the straight line once the other’s hidden units are in the closest order; "
    "where there is BatchNorm, the straight line on which its running statistics are averaged like weights instead of "
    "being recomputed; a path that was trained to be low. The dashed line is the level: left of it a way is low."
)
CROWDED = 16
"""Checkpoints beyond which rows are lower and marks smaller."""
MARKS = {
    LINE: ("o", style.COLOURS["fails"]),
    AFTER: ("D", style.COLOURS["aligned"]),
    AVERAGED: ("x", style.COLOURS["pointwise"]),
    TRAINED: ("^", style.COLOURS["sheet"]),
}


def figure(barriers: Mapping[str, np.ndarray], labels: Sequence[str], level: float) -> Figure:
    """A row for each other checkpoint, a mark for each way.

    Args:
        barriers: by way, one for each label; NaN has no mark.
        labels: of the other checkpoints.
        level: the highest barrier that counts as low.
    """
    tight = len(labels) > CROWDED
    found = Figure(figsize=(4.8, (0.17 if tight else 0.3) * len(labels) + 1.3), layout="constrained")
    axes = found.subplots()
    rows = np.arange(len(labels))
    every = np.stack(list(barriers.values()))
    if np.isfinite(every).any():
        for row, values in enumerate(every.T):
            known = values[np.isfinite(values)]
            if known.size:
                axes.plot([known.min(), known.max()], [row, row], color=style.MUTED, linewidth=0.8, alpha=0.6)
        for way, values in barriers.items():
            marker, colour = MARKS[way]
            axes.plot(values, rows, marker, color=colour, markersize=5 if tight else 7, clip_on=False)
        axes.axvline(level, color=style.INK, linewidth=1.0, linestyle=(0, (4, 2)))
        style.note(axes, f"level {words.number(level)}")
        style.value_scale(axes, np.append(every.ravel(), level), decades=3, across=True)
    else:
        axes.text(0.5, 0.5, "no barrier is defined", transform=axes.transAxes, ha="center", va="center")
    axes.set_yticks(rows, labels, size=6.5 if tight else 8, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("barrier (nats)")
    axes.grid(axis="x", color=style.MUTED, alpha=0.25, linewidth=0.6)
    style.legend(found, {way: _mark(way) for way in barriers})
    return found


def _mark(way: str) -> Artist:
    marker, colour = MARKS[way]
    return Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=7)
