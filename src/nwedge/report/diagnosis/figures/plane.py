"""The loss on the plane through three checkpoints."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nwedge.report.figures import style
from nwedge.report.figures.levels import levels, logarithmic, ticks

CAPTION = (
    "The training loss on a plane through three checkpoints, unless chosen of different clusters where there are as "
    "many, on a logarithmic scale; both axes are distances in units of the weights. Hatched: the loss is undefined "
    "(NaN or infinite). A plane shows two of many dimensions: two basins that are parted here may be connected through "
    "the others, as trained paths show, and one that looks round here may be long in directions that the plane does "
    "not hold. Only some of the training examples are used here."
)
THIN = 4
"""The ratio of the two extents beyond which the axes have scales of their own."""


def figure(plane: Mapping[str, Any], labels: Sequence[str]) -> Figure:
    """Filled contours of the loss, and the checkpoints.

    Args:
        plane: as in the JSON of a diagnosis.
        labels: of the three checkpoints.
    """
    found = Figure(figsize=(4.8, 4.4), layout="constrained")
    axes = found.subplots()
    x, y, loss = (np.array(plane[name], dtype=float) for name in ("x", "y", "loss"))
    corners = np.array(plane["corners"], dtype=float)
    if not np.isfinite(loss).any() or not np.isfinite([*x, *y]).all():
        style.says(axes, "the loss is undefined on this plane")
        return found
    if not np.isfinite(loss).all():
        axes.patch.set(hatch="////", edgecolor=style.MUTED)
    known = loss[np.isfinite(loss)]
    steps, norm = levels(known, logarithmic(known))
    shown = np.clip(np.ma.masked_invalid(loss), steps[0], steps[-1])
    filled = axes.contourf(x, y, shown, levels=steps, norm=norm, cmap="viridis")
    axes.contour(x, y, shown, levels=steps[1:-1], colors="#fefefe", linewidths=0.4, alpha=0.7)
    for (across, up), label in zip(corners, labels, strict=True):
        axes.plot(across, up, "o", color=style.PAPER, markeredgecolor=style.INK, markersize=7, clip_on=False)
        axes.annotate(
            label, (across, up), (0, 7), textcoords="offset points", ha="center", size=8.5, weight="bold",
            parse_math=False, path_effects=[withStroke(linewidth=2.5, foreground=style.PAPER)],
        )  # fmt: skip
    if 1 / THIN <= np.ptp(y) / np.ptp(x) <= THIN:
        axes.set_aspect("equal")
    axes.set_xlabel("distance along the line through two of them")
    axes.set_ylabel("distance from that line")
    bar = found.colorbar(filled, ax=axes, location="bottom", label="training loss (nats)", shrink=0.9, aspect=30)
    bar.ax.xaxis.set_major_locator(FixedLocator(ticks(steps)))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    return found
