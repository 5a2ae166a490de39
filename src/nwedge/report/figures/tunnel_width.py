"""The angular width of the radial tunnel along training, one panel a sweep, one colour a level."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "As figure 5 of Fort and Jastrzebski: by how many degrees the point of a run, at its own distance from the origin, "
    "can be rotated toward random directions before the loss crosses a level, against that distance, along training. "
    "Each panel is a sweep, each colour a level; thin curves are single seeds, thick ones their mean. Dashed red is "
    "the level that is deliberately too strong, where it has a width at all. The claim says that a higher learning "
    "rate, a smaller batch and more dropout widen the tunnel at equal radius and equal loss, that more weight decay "
    "widens it at the end of training, and that networks of several layer widths fall on one curve once the radius is "
    "divided by the square root of the width factor (two panels: before and after). The remarks above the panels give "
    "the relative widening from the weakest to the strongest sensible level, with its 95 % interval."
)
CAVEATS = (
    "A width exists only where the loss is below the level, and depends on the level. Along training radius and loss "
    "change together, so what is left at equal radius and loss rests on a regression and not on matched pairs of "
    "points. Directions that do not cross by 90 degrees are left out of the mean and counted."
)
TITLES = {
    "rate": "learning rate",
    "batch": "batch size",
    "decay": "weight decay",
    "dropout": "dropout",
    "width": "layer width",
}
LEVELS = ("#8c6bb1", "#2b83ba", "#1a8f5a", "#e08214", "#8c510a", "#4d4d4d")
"""From the weakest level to the strongest; further ones repeat them."""
TOO_STRONG = style.COLOURS["fails"]
COLUMNS = 4
HEAD: dict[str, Any] = {"weight": "bold", "size": 8.0}


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Width against radius: every sweep of every landscape, that of the layer width also with the radius rescaled."""
    panels = [
        (name, sweep, scaled)
        for name in sorted(words.ordered(datasets), key=lambda name: -datasets[name].sizes["sweep"])
        for sweep in datasets[name]["sweep"].values
        for scaled in ((False, True) if sweep == "width" else (False,))
    ]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    fig = Figure(figsize=(2.75 * columns + 0.4, 2.55 * rows + 0.9), layout="constrained")
    grid = np.asarray(fig.subplots(rows, columns, squeeze=False))
    for axes, (name, sweep, scaled) in zip(grid.flat, panels, strict=False):
        _panel(axes, datasets[name].sel(sweep=sweep), sweep, scaled)
        title = f"{words.title(name)}, {TITLES[sweep]}"
        axes.annotate(title, (0, 1), (0, 15), xycoords="axes fraction", textcoords="offset points", **HEAD)
        style.note(axes, _remark(datasets[name].sel(sweep=sweep), name, sweep, scaled, verdicts))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for row in grid:
        style.label_left(row, ["angular width (degrees)"] * columns)
    entries: dict[str, Artist] = {
        "single seeds": style.stroke(style.MUTED, width=0.6),
        "mean over seeds": style.stroke(style.MUTED),
        "too strong": style.stroke(TOO_STRONG, dashes=(0, (4, 2))),
    }
    style.legend(fig, entries)
    return fig


def _panel(axes: Axes, dataset: xr.Dataset, sweep: str, scaled: bool) -> None:
    width = dataset["width"].transpose("seed", "level", "snapshot").values
    if np.isnan(width).all():
        style.says(axes, "no loss is below the level")
        return
    radius = dataset["radius"].transpose("seed", "level", "snapshot").values
    values, too_strong = dataset["value"].isel(seed=0).values, dataset["too_strong"].isel(seed=0).values
    for level in np.flatnonzero(np.isfinite(values)):
        colour, dashes = LEVELS[level % len(LEVELS)], "-"
        if too_strong[level]:
            colour, dashes = TOO_STRONG, (0, (4, 2))
        places = radius[:, level] / (np.sqrt(values[level]) if scaled else 1.0)
        label = f"{values[level]:g}"
        if np.isnan(width[:, level]).all():
            label += ": no width"
        style.curves(axes, places, width[:, level], colour, dashes)
        axes.plot([], [], color=colour, linewidth=2.0, linestyle=dashes, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("radius / √factor" if scaled else "radius |P|")
    axes.legend(fontsize=6.5, loc="best", handlelength=1.4, labelspacing=0.25)


def _remark(dataset: xr.Dataset, name: str, sweep: str, scaled: bool, verdicts: Sequence[Mapping[str, Any]]) -> str:
    """The part of the verdict that a panel belongs to; without one, how many directions have no width."""
    parts = [one for row in verdicts if row["landscape"] == name for one in row["parts"]]
    found = next((one for one in parts if one["part"].startswith(TITLES[sweep])), None)
    if sweep == "width" and not scaled:
        return _counts(dataset)
    if found is None or found["statistic"] is None:
        return _counts(dataset) if found is None else "undefined in some seeds"
    what = "variance removed" if sweep == "width" else "widening"
    return f"{what} {words.number(found['statistic'])} {words.interval(found['interval'])}"


def _counts(dataset: xr.Dataset) -> str:
    return f"no crossing by 90°: {words.count(int(dataset['censored'].sum()), 'direction')}"
