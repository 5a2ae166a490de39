"""Two optima: the wall on the straight line, the tunnels through it, and how rarely a random bend finds one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the loss on the way from one optimum to another, on the straight line and on the tunnels found between "
    "them; thin curves are single seeds, thick ones their mean. The pointwise tunnel moves each point alone, in the "
    "hyperplane normal to the line; the whole-path tunnels train all bends together. Beside them, where hidden units "
    "can be matched, the straight line to a permuted copy of the second network: the same function, its hidden units "
    "in the order that is closest to the first network's. Middle, where it is known: what the same paths mean for "
    "accuracy on held-out data (networks) or the distance to the nearest wedge (toys). Below: the barriers, the "
    "largest excess of the loss over the interpolated end losses, of random bends with the length of the whole-path "
    "tunnel (grey), and of the paths above (lines: mean; marks: seeds). The claim says that the line has a wall, the "
    "whole-path tunnel has none, and no random bend comes near it. The remarks above the panels give mean barriers, "
    "the number of coordinates that are zero at the middle of a toy's tunnels, and how many random bends have a lower "
    "barrier than the tunnel of their seed; their tunnel is the whole-path one of straight pieces."
)
CAVEATS = (
    "More training steps or more bends lower the tunnels; optima that share a wedge have no wall between them. Optima "
    "that are copies of one another up to a permutation of hidden units are still counted as two: the part of the wall "
    "that goes once the units are matched, which a remark gives, lies between permuted copies of nearly one solution; "
    "what stays lies between different solutions, unless the matching stopped in a local minimum. Random bends are "
    "drawn once per seed and have a single corner, so a chance hit along a more winding path is not counted; where "
    "each sees examples of its own, their spread holds that of the examples."
)
PATHS = {
    "line": ("straight line", (0, (4, 2))),
    "aligned": ("straight line, hidden units matched", (0, (4, 1, 1, 1))),
    "pointwise": ("pointwise tunnel", "-"),
    "sheet": ("whole-path tunnel, straight pieces", "-"),
    "bezier": ("whole-path tunnel, Bézier curve", (0, (1, 1))),
}
MEANING = {"held_out_accuracy": "held-out accuracy", "accuracy": "accuracy", "distance": "distance to a wedge"}
"""The second quantity along the path, the first of these that a landscape has, and the name of its axis."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss along the paths; what it means, where any landscape knows; barriers of random bends and of the paths."""
    names = words.ordered(datasets)
    meanings = [next((what for what in MEANING if what in datasets[name]), None) for name in names]
    rows = 3 if any(meanings) else 2
    fig, axes = style.panels(rows, names, verdicts)
    for column, name, meaning in zip(axes.T, names, meanings, strict=True):
        dataset = datasets[name]
        _along(column[0], dataset, "loss")
        heights = dataset["barrier"].mean("seed", skipna=False)
        line, tunnel = (words.number(float(heights.sel(path=path))) for path in ("line", "sheet"))
        style.note(column[0], f"barrier: line {line}, tunnel {tunnel}")
        if rows == 3:
            _meaning(column[1], dataset, meaning)
        _barriers(column[-1], dataset)
    style.label_left(axes[0], [style.with_units("loss", datasets[name]["loss"]) for name in names])
    if rows == 3:
        style.label_left(axes[1], [MEANING.get(meaning or "", "") for meaning in meanings])
    style.label_left(axes[-1], ["random bends (share)"] * len(names))
    _legend(fig, datasets)
    return fig


def _along(axes: Axes, dataset: xr.Dataset, what: str) -> None:
    values = dataset[what].transpose("path", "seed", "t")
    if values.isnull().all():
        style.says(axes, "no tunnel is defined here")
        return
    for path, (_, dashes) in PATHS.items():
        if path in dataset["path"].values:
            losses = values.sel(path=path).values
            style.curves(axes, dataset["t"].values, losses, style.COLOURS[path], dashes)
    if what in ("loss", "distance"):
        style.value_scale(axes, values.values, decades=3)
    axes.set_xlabel("position on the path")
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])


def _meaning(axes: Axes, dataset: xr.Dataset, meaning: str | None) -> None:
    if meaning is None:
        axes.set_axis_off()
        return
    _along(axes, dataset, meaning)
    if meaning == "distance" and "zeroed" in dataset:
        mean = dataset["zeroed"].mean("seed", skipna=False).round()
        pointwise, tunnel = (words.number(float(mean.sel(path=path))) for path in ("pointwise", "sheet"))
        style.note(axes, f"zeroed: pointwise {pointwise}, tunnel {tunnel}")
    if "aligned" in _shown(dataset):
        heights = dataset["barrier"].mean("seed", skipna=False)
        wall, matched = (float(heights.sel(path=path)) for path in ("line", "aligned"))
        gone = f"\nmatching removes {1 - matched / wall:.0%} of the wall" if matched < wall else ""
        style.note(axes, f"line, units matched: barrier {words.number(matched)}{gone}")


def _barriers(axes: Axes, dataset: xr.Dataset) -> None:
    bends = dataset["bend_barrier"].values.ravel()
    barriers = dataset["barrier"].transpose("path", "seed")
    finite = bends[np.isfinite(bends)]
    if finite.size == 0:
        together = "coincide" in dataset and bool(dataset["coincide"].all())
        style.says(axes, "the two optima are one point:\nno tunnel, no bend" if together else "no bend is defined here")
        return
    every = np.concatenate([finite, barriers.values[np.isfinite(barriers.values)]])
    edges = np.linspace(min(0.0, every.min()), every.max() * 1.02 or 1.0, 41)
    share, _ = np.histogram(finite, edges)
    axes.stairs(share / finite.size, edges, fill=True, color=style.COLOURS["bend"], linewidth=0)
    top = float(share.max() / finite.size)
    for height, (path, (_, dashes)) in enumerate(PATHS.items()):
        if path not in dataset["path"].values:
            continue
        values = barriers.sel(path=path).values
        values = values[style.known(values)]
        if len(values):
            axes.axvline(values.mean(), color=style.COLOURS[path], linewidth=1.6, linestyle=dashes)
            axes.plot(values, np.full(len(values), top * (1.08 + 0.08 * height)), "|", color=style.COLOURS[path])
    axes.set_ylim(0, top * 1.45)
    axes.set_xlabel(style.with_units("barrier", dataset["barrier"]))
    below = (dataset["bend_barrier"] < dataset["barrier"].sel(path="sheet")).values.sum()
    style.note(axes, f"{below:,} of {finite.size:,} bends below the tunnel")


def _legend(fig: Figure, datasets: Mapping[str, xr.Dataset]) -> None:
    shown = set().union(*map(_shown, datasets.values()))
    entries: dict[str, Artist] = {
        label: style.stroke(style.COLOURS[path], dashes=dashes)
        for path, (label, dashes) in PATHS.items()
        if path in shown
    }
    style.legend(fig, entries | {"random bends": Patch(color=style.COLOURS["bend"])})


def _shown(dataset: xr.Dataset) -> set[str]:
    """The paths that are defined for some seed."""
    defined = dataset["barrier"].notnull().any("seed")
    return set(dataset["path"].values[defined.values])
