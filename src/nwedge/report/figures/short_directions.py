"""Short directions: their number along a tunnel, at the centres of sheets, and at optima of several learning rates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "As figure 4 of Fort and Jastrzebski: how many eigenvalues of the Hessian, averaged over a small ball, lie above "
    "three thresholds (colours; thin: seeds, thick: mean). Above: along the whole-path tunnel between two optima. "
    "Middle: at the centre of the sheet over m optima, m = 1 being an optimum; in the toys black crosses are the "
    "size of the union of the optima's short axes, dashes the formula D [1 - (1 - s/D)^m]. Below: at optima against "
    "their learning rate, where rates were varied (in the model all wedges have the same s, so no such effect is "
    "predicted). The claim says: more in the middle, more with m, fewer with a higher rate. Diamonds at the network: "
    "the counts published of FJ19's Fashion-MNIST network, where place and threshold are those of this run; in "
    "full 285 at the ends and 850 in the middle (above .03), 240, 570, 980, 1155, 1065 for m = 1 to 5 (above .03), and "
    "6450, 4800, 2950, 2100 for rates of 4, 8, 16, 32e-4 (above .01)."
)
CAVEATS = (
    "The curvature of a cross-entropy falls with the loss itself: where training makes the middle of a tunnel lower "
    "than its ends, it has fewer directions above any fixed threshold, whatever its shape (the remark above the upper "
    "panel gives both losses). The thresholds and the radius of the ball are conventions; the rate that is "
    "deliberately too high is shown hollow and is not judged."
)
PUBLISHED = {
    "tunnel_count": {0.03: {0.0: 285, 0.5: 850, 1.0: 285}, 0.1: {0.0: 15, 0.5: 100, 1.0: 15}},
    "center_count": {
        0.03: {1.0: 240, 2.0: 570, 3.0: 980, 4.0: 1155, 5.0: 1065},
        0.1: {1.0: 20, 2.0: 55, 3.0: 105, 4.0: 160, 5.0: 205},
    },
    "rate_count": {0.01: {4e-4: 6450, 8e-4: 4800, 16e-4: 2950, 32e-4: 2100}},
}
"""Read off FJ19's figure 4 by eye: counts by threshold and place."""
FJ19 = "FJ19: SimpleCNN on Fashion-MNIST"
"""Whose counts the diamonds are, whatever the network of the panel."""
COLOURS = ("#2b83ba", "#1a8f5a", "#e08214", "#b0529e")


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """The three counts, one row each, one column per landscape."""
    names = words.ordered(datasets)
    rates = any("rate_count" in datasets[name] for name in names)
    fig, axes = style.panels(3 if rates else 2, names, verdicts)
    for column, name in zip(axes.T, names, strict=True):
        dataset = datasets[name]
        _counts(column[0], name, dataset, "tunnel_count", "t", "position on the tunnel")
        _counts(column[1], name, dataset, "center_count", "m", "m, optima joined")
        _predicted(column[1], dataset)
        style.note(column[0], _remark(dataset))
        if rates:
            _rates(column[2], name, dataset)
    for row in axes:
        style.label_left(row, ["eigenvalues above"] * len(names))
    thresholds = datasets[names[0]]["threshold"].values
    entries: dict[str, Artist] = {
        f"above {threshold:g}": style.stroke(COLOURS[row % len(COLOURS)]) for row, threshold in enumerate(thresholds)
    }
    if "network" in names:
        entries[FJ19] = Line2D([], [], marker="D", mfc="none", color=style.INK, markersize=4, linestyle="")
    style.legend(fig, entries)
    return fig


def _remark(dataset: xr.Dataset) -> str:
    """The losses at the ends and in the middle, with which counts go, and what the ball adds to the loss."""
    losses = dataset["tunnel_loss"].mean("seed", skipna=False)
    ends, middle = float(losses.sel(t=[0.0, 1.0]).mean("t")), float(losses.sel(t=0.5))
    told = f"loss: ends {words.number(ends)}, middle {words.number(middle)}"
    at, around = dataset["optimum_loss"], dataset["ball_loss"]
    if "union" in dataset or not (at > 0).all():
        return told
    rise = float((around / at - 1).max())
    if rise > 10:  # from a loss that is 0 but for rounding
        return f"{told}\nin the ball: {words.number(float(around.max()))} at most"
    return f"{told}\nthe ball raises the loss by {100 * rise:.0f} % at most"


def _counts(axes: Axes, name: str, dataset: xr.Dataset, what: str, dimension: str, label: str) -> None:
    """The counts of the seeds and their mean and, of the network, the published ones at the same places."""
    values = dataset[what].transpose("threshold", "seed", dimension).values
    if not np.isfinite(values).any():
        style.says(axes, "the optima are one point:\nno tunnel")
        return
    for row, counts in enumerate(values):
        style.curves(axes, dataset[dimension].values, counts, COLOURS[row % len(COLOURS)])
    published = _published(dataset, what, dimension) if name == "network" else {}
    for row, counts in published.items():
        axes.plot(list(counts), list(counts.values()), "D", mfc="none", color=COLOURS[row % len(COLOURS)], ms=4)
    every = [values.ravel(), *(np.array(list(counts.values()), dtype=float) for counts in published.values())]
    style.value_scale(axes, np.concatenate(every), decades=3)
    axes.set_xlabel(label)


def _predicted(axes: Axes, dataset: xr.Dataset) -> None:
    """Of a toy: the union of the short sets, and the formula."""
    if "union" not in dataset or not axes.axison:
        return
    m = dataset["m"].values
    axes.plot(m, dataset["union"].mean("seed").values, "x", color=style.INK, ms=5)
    axes.plot(m, dataset["predicted"].mean("seed").values, color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))


def _published(dataset: xr.Dataset, what: str, dimension: str) -> dict[int, dict[float, int]]:
    """The published counts by the index of their threshold, then place: those that this run shares with them."""
    places, thresholds = dataset[dimension].values.tolist(), dataset["threshold"].values.tolist()
    return {
        thresholds.index(threshold): {place: count for place, count in counts.items() if place in places}
        for threshold, counts in PUBLISHED[what].items()
        if threshold in thresholds
    }


def _rates(axes: Axes, name: str, dataset: xr.Dataset) -> None:
    if "rate_count" not in dataset:
        style.says(axes, "no rate was varied here")
        return
    judged = dataset["comparable"].all("seed").values
    rates = dataset["rate"].values
    _counts(axes, name, dataset.sel(rate=rates[judged]), "rate_count", "rate", "learning rate")
    beyond = dataset["rate_count"].sel(rate=rates[~judged]).transpose("threshold", "seed", "rate").values
    for row, counts in enumerate(beyond):
        places = np.broadcast_to(rates[~judged], counts.shape)
        axes.plot(places.ravel(), counts.ravel(), "o", mfc="none", color=COLOURS[row % len(COLOURS)], ms=3)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates], rotation=45)
