"""The well that random probes see, the extents that they miss, and the radial tunnel on the sphere."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Wedge

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the loss on the way from an optimum P in random directions, against the distance relative to its norm |P|; "
    "the thick line is the mean over directions and seeds, the bands hold 50 % and 90 % of the directions "
    "(averaged over seeds), and the dashed line is the law of the wedge model, where there are wedges. Middle: how far "
    "one can go in a direction before the loss exceeds the level, for random directions (grey) and for directions that "
    "are known to be long (green): long directions of the nearest wedge, or random ones normal to all short directions "
    "of the Hessian. Extents are followed up to ten norms. Below: the radial tunnel, seen as in figure 2 of Fort and "
    "Jastrzebski: the ray from the origin through the optimum points upward, the circle has the optimum's radius, and "
    "the filled sectors show by how much the optimum, scaled to each radius, can be rotated toward random directions "
    "before the loss exceeds the level (medians over directions and seeds; no more than 90 degrees are looked at). The "
    "claim says that the well is round and rises monotonically, although directions exist that are three times as long "
    "as the longest random one."
)
CAVEATS = (
    "The level is a share of the loss at random initial points, and the roundness is taken where the mean loss crosses "
    "it. A smaller curvature threshold makes more directions short, and what is left of the space longer. The rotation "
    "is toward random directions alone, so the tunnel looks round even where it is not."
)
KNOWN = style.COLOURS["holds"]
SECTOR = "#7fb8dd"
LEVELS_SHOWN = 5
"""The highest loss that is drawn, in levels."""
TICKS = [mantissa * 10.0**power for power in range(-3, 3) for mantissa in (1, 1.5, 2, 3, 5, 7)]
"""Where the scale of the extents may be marked."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss along random probes; extents of random and of long directions; the radial tunnel in the plane."""
    names = words.ordered(datasets)
    fig, axes = style.panels(3, names, verdicts, height=2.1)
    for column, name in zip(axes.T, names, strict=True):
        _probes(column[0], datasets[name])
        _extents(column[1], datasets[name])
        _tunnel(column[2], datasets[name])
    style.label_left(axes[0], ["loss"] * len(names))
    style.label_left(axes[1], ["directions (share)"] * len(names))
    _legend(fig, datasets)
    return fig


def _probes(axes: Axes, dataset: xr.Dataset) -> None:
    mean = dataset["probe_loss"].mean("seed", skipna=False).values
    if np.isnan(mean).any():
        style.says(axes, "no probe is defined here")
        return
    places = dataset["relative_distance"].mean("seed").values
    bands = dataset["probe_quantile"].mean("seed").transpose("quantile", "distance").values
    for low, high, alpha in ((0, -1, 0.22), (1, -2, 0.35)):
        axes.fill_between(places, bands[low], bands[high], color=style.COLOURS["run"], alpha=alpha, linewidth=0)
    axes.plot(places, mean, color=style.COLOURS["run"], linewidth=2.0)
    if "law_loss" in dataset:
        law = dataset["law_loss"].mean("seed").values
        axes.plot(places, law, color=style.INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.axhline(float(dataset["level"].mean()), color=style.MUTED, linewidth=0.8, linestyle=":")
    top = min(1.05 * bands[-1].max(), LEVELS_SHOWN * float(dataset["level"].mean()))
    axes.set_ylim(0, top)
    axes.set_xlim(0, places[min(int((mean < top).sum()), len(places) - 1)])
    axes.set_xlabel("distance / |P|")
    spread = float(dataset["probe_spread"].mean("seed", skipna=False))
    style.note(axes, f"spread at the level: {words.number(spread)} of the rise")


def _extents(axes: Axes, dataset: xr.Dataset) -> None:
    random, long = (dataset[name].values.ravel() for name in ("extent_random", "extent_long"))
    random, long = (values[np.isfinite(values) & (values > 0)] for values in (random, long))
    if not len(random):
        style.says(axes, "no extent is defined here")
        return
    every = np.concatenate([random, long])
    edges = np.geomspace(every.min() / 1.1, max(every.max() * 1.1, every.min() * 2), 41)
    for values, colour in ((random, style.COLOURS["bend"]), (long, KNOWN)):
        if len(values):
            share = np.histogram(values, edges)[0] / len(values)
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.85, linewidth=0)
    axes.set_xscale("log")
    ticks = [tick for tick in TICKS if edges[0] <= tick <= edges[-1]]
    ticks = ticks[:: -(-len(ticks) // 4)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("extent / |P|")
    if not len(long):
        style.note(axes, "every direction is short")
        return
    ratio = dataset["extent_long"].median("long", skipna=False) / dataset["extent_random"].max("direction")
    capped = int(dataset["capped_long"].sum()), int(dataset["capped_random"].sum())
    text = f"long / longest random: {words.number(float(ratio.mean()))}"
    style.note(axes, text + (f"; capped {capped[0]:,} + {capped[1]:,}" if any(capped) else ""))


def _tunnel(axes: Axes, dataset: xr.Dataset) -> None:
    angles = dataset["turned_angle"].transpose("seed", "turned_radius").values
    if np.isnan(angles).all():
        style.says(axes, "the level is nowhere above the loss")
        return
    median = np.median(np.where(np.isnan(angles), 0.0, np.minimum(angles, 90.0)), axis=0)
    radii = dataset["turned_radius"].values
    step = radii[1] - radii[0]
    for radius, angle in zip(radii, median, strict=True):
        if angle > 0:
            sector = Wedge((0, 0), radius + step / 2, 90 - angle, 90 + angle, width=step, color=SECTOR, linewidth=0)
            axes.add_patch(sector)
    axes.add_patch(Circle((0, 0), 1.0, fill=False, color=style.INK, linewidth=1.0))
    top = radii[-1] + step
    axes.plot([0, 0], [0, top], color=style.INK, linewidth=0.8)
    axes.plot([0], [1], "o", color=style.INK, markersize=4)
    axes.set_xlim(-top, top)
    axes.set_ylim(-1.15, top)
    axes.set_aspect("equal")
    axes.set_xticks([-1, 0, 1])
    axes.set_yticks([-1, 0, 1, 2])
    axes.set_xlabel("rotated / |P|")
    here = median[np.argmin(np.abs(radii - 1))]
    style.note(axes, "wider than 90° at the optimum" if here >= 90 else f"{words.number(float(here))}° at the optimum")


def _legend(fig: Figure, datasets: Mapping[str, xr.Dataset]) -> None:
    entries: dict[str, Artist] = {
        "mean over random directions": style.stroke(style.COLOURS["run"]),
        "50 % and 90 % of them": Patch(color=style.COLOURS["run"], alpha=0.3),
    }
    if any("law_loss" in dataset for dataset in datasets.values()):
        entries["law of the wedge model"] = style.stroke(style.INK, width=1.2, dashes=(0, (4, 2)))
    entries |= {
        "level": style.stroke(style.MUTED, width=0.8, dashes=":"),
        "random directions": Patch(color=style.COLOURS["bend"]),
        "known long directions": Patch(color=KNOWN),
        "radial tunnel": Patch(color=SECTOR),
    }
    style.legend(fig, entries)
