"""Cyclical rates: averages against the number of snapshots, where averaging breaks, and the gap against the angle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Plain SGD under a cyclical learning rate; a snapshot is the end of a cycle. The three upper rows: the average of "
    "the weights of the first snapshots, the average of their predictions (networks) and the snapshots alone, against "
    "their number, at the lowest maximal rate, at the highest one at which averaging works and at the first one at "
    "which it breaks; thin curves are single seeds, thick ones their mean. Fourth row: the excess, the loss of the "
    "average of all snapshots above their mean loss as a share of the first loss (cut to 0 and 1), against the maximal "
    "rate, where the snapshots are trained; the dashed line is the predicted rate, the edge of stability at the lowest "
    "rate (mean over seeds), the marks on top are the rates at which the excess of each seed reaches the dotted line. "
    "Last row: the gap against the mean angle between successive snapshots, one point for each seed and rate, hollow "
    "where the snapshots are no longer trained. On networks the gap is the held-out accuracy of the weight average "
    "less that of the prediction ensemble, with the published points of FJ19's figure 6 (CIFAR-10) beside it; "
    "elsewhere it is minus the excess. The claim says that averaging works at the lowest rate, breaks at the highest "
    "at which snapshots are trained, and does so at the edge of stability."
)
CAVEATS = (
    "Averages break only where snapshots move: once a classifier fits its data its gradient noise vanishes, and with "
    "it the angle between snapshots at any rate, unless batches are small and weight decay keeps the loss up. On the "
    "digits batches of 16 and a decay of 0.01 do so; with batches of 128 and none, in a trial of two seeds, "
    "snapshots turned by less than 1.5 degrees at every trained rate, up to twice the edge, and no average broke. The "
    "edge is that of the lowest rate, whose curvature still changes while it trains; at high rates training itself "
    "settles near the edge. Accuracies are those of the last cycles alone, not of the best ones. On the family of all "
    "wedges other wedges are near at every rate."
)
AVERAGE, ENSEMBLE, SINGLE = "sheet", "pointwise", "line"
"""The colours of the weight average, of the prediction ensemble and of single snapshots."""
SHOWN = {
    "held-out accuracy": {
        AVERAGE: "held_out_accuracy",
        ENSEMBLE: "held_out_ensemble_accuracy",
        SINGLE: "held_out_single_accuracy",
    },
    "distance to a wedge": {AVERAGE: "distance", SINGLE: "single_distance"},
    "loss": {AVERAGE: "loss", SINGLE: "single_loss"},
}
"""What the upper rows show, the first of these that a landscape has: its name, and its variables by colour."""
DASHES = {AVERAGE: "-", ENSEMBLE: (0, (4, 2)), SINGLE: (0, (1, 1))}
EDGE = "bezier"
PUBLISHED = {8.0: 0.0, 24.0: -0.015, 40.0: -0.04, 60.0: -0.41}
"""FJ19 figure 6, CIFAR-10: angles in degrees and gaps, read off by eye."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Averages against the number of snapshots at three rates; excess against rate; gap against angle."""
    names = words.ordered(datasets)
    fig, axes = style.panels(5, names, verdicts)
    labels = [next(label for label, by in SHOWN.items() if by[AVERAGE] in datasets[name]) for name in names]
    for column, name, label in zip(axes.T, names, labels, strict=True):
        dataset = datasets[name].sortby("rate")
        for panel, rate in zip(column[:3], _rates(dataset), strict=True):
            _counted(panel, dataset, label, rate)
        _excess(column[3], dataset)
        _gap(column[4], dataset)
    for row in axes[:3]:
        style.label_left(row, labels)
    style.label_left(axes[3], ["excess of the average"] * len(names))
    predicts = [_predicts(datasets[name]) for name in names]
    style.label_left(axes[4], ["gap (accuracy)" if one else "gap (share of loss)" for one in predicts])
    _legend(fig, any(predicts))
    return fig


def _predicts(dataset: xr.Dataset) -> bool:
    return "held_out_accuracy" in dataset


def _rates(dataset: xr.Dataset) -> tuple[float, float | None, float | None]:
    """The lowest rate, the next below and the next above the mean rate at which averaging breaks, all stable.

    Where it breaks in no seed the second is the highest stable one, and there is no third.
    """
    rates = dataset["rate"].values
    stable = rates[dataset["stable"].all("seed").values]
    if len(stable) == 0:
        return float(rates[0]), None, None
    broken = float(dataset["breaks"].mean("seed"))
    below, above = (stable, stable[:0]) if np.isnan(broken) else (stable[stable < broken], stable[stable >= broken])
    return float(rates[0]), float(below[-1]) if len(below) else None, float(above[0]) if len(above) else None


def _counted(axes: Axes, dataset: xr.Dataset, label: str, rate: float | None) -> None:
    if rate is None:
        style.says(axes, "averages break at no rate\nat which every seed trains")
        return
    own = dataset.sel(rate=rate)
    values = {colour: own[name].transpose("seed", "count").values for colour, name in SHOWN[label].items()}
    every = np.stack(list(values.values()))
    if not np.isfinite(every).any():
        style.says(axes, "no snapshot is defined here")
        return
    for colour, curves in values.items():
        style.curves(axes, dataset["count"].values, curves, style.COLOURS[colour], DASHES[colour])
    if not _predicts(dataset):
        style.value_scale(axes, every, decades=3)
    axes.set_xlabel("snapshots")
    axes.set_xticks([1, *range(5, dataset.sizes["count"] + 1, 5)])
    style.note(axes, f"rate {words.number(rate)}, angle {words.number(float(own['angle'].mean()))}°")


def _excess(axes: Axes, dataset: xr.Dataset) -> None:
    excess = dataset["excess"].where(dataset["stable"]).transpose("seed", "rate").values
    if np.isnan(excess).all():
        style.says(axes, "no snapshot is trained at any rate")
        return
    level = float(dataset["excess"].attrs["broken"])
    top = max(float(np.nanmax(excess)), 2 * level)
    style.curves(axes, dataset["rate"].values, excess, style.COLOURS[AVERAGE])
    axes.axhline(level, color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    edge, broken = dataset["edge"].values, dataset["breaks"].values
    axes.axvline(edge.mean(), color=style.COLOURS[EDGE], linewidth=1.6, linestyle=DASHES[ENSEMBLE])
    axes.plot(broken, np.full(len(broken), 1.1 * top), "|", color=style.COLOURS[AVERAGE], markersize=7)
    axes.set_ylim(-0.04 * top, 1.2 * top)
    _rate_scale(axes, dataset["rate"].values)
    found = broken[np.isfinite(broken)]
    where = f"at {words.number(float(found.mean()))}" if len(found) else "nowhere"
    unbroken = f" ({len(found)} of {len(broken)})" if 0 < len(found) < len(broken) else ""
    style.note(axes, f"breaks {where}{unbroken}, edge {words.number(float(edge.mean()))}")


def _rate_scale(axes: Axes, rates: np.ndarray) -> None:
    """A logarithmic axis with a tick at 1, 2 and 5 times every power of ten."""
    axes.set_xscale("log")
    axes.set_xlim(rates[0] / 1.2, rates[-1] * 1.2)
    powers = 10.0 ** np.arange(np.floor(np.log10(rates[0])), np.ceil(np.log10(rates[-1])) + 1)
    ticks = np.outer(powers, [1, 2, 5]).ravel()
    axes.xaxis.set_major_locator(FixedLocator(ticks[(ticks > rates[0] / 1.2) & (ticks < rates[-1] * 1.2)].tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("maximal learning rate")


def _gap(axes: Axes, dataset: xr.Dataset) -> None:
    angle = dataset["angle"].transpose("seed", "rate").values
    gap = -dataset["excess"]
    if _predicts(dataset):
        last = dataset.isel(count=-1)
        gap = last["held_out_accuracy"] - last["held_out_ensemble_accuracy"]
    values, trained = gap.transpose("seed", "rate").values, dataset["stable"].transpose("seed", "rate").values
    if not np.isfinite(values).any():
        style.says(axes, "no gap is defined here")
        return
    colour = style.COLOURS[AVERAGE]
    axes.axhline(0, color=style.MUTED, linewidth=0.7)
    axes.plot(angle[~trained], values[~trained], "o", color=colour, markersize=4, markerfacecolor="none")
    axes.plot(angle[trained], values[trained], "o", color=colour, markersize=4)
    if _predicts(dataset):
        axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "D", color=style.COLOURS[ENSEMBLE], markersize=5)
    axes.set_xlim(left=0)
    low = min(-0.1, 1.1 * float(np.nanmin(values)))
    axes.set_ylim(low, max(-0.08 * low, 1.1 * float(np.nanmax(values))))
    axes.set_xlabel("angle (degrees)")


def _legend(fig: Figure, networks: bool) -> None:
    entries: dict[str, Artist] = {"weight average": style.stroke(style.COLOURS[AVERAGE])}
    if networks:
        entries["prediction average"] = style.stroke(style.COLOURS[ENSEMBLE], dashes=DASHES[ENSEMBLE])
    entries["single snapshots (mean)"] = style.stroke(style.COLOURS[SINGLE], dashes=DASHES[SINGLE])
    entries["edge of stability"] = style.stroke(style.COLOURS[EDGE], width=1.6, dashes=DASHES[ENSEMBLE])
    if networks:
        entries["FJ19, CIFAR-10"] = Line2D([], [], color=style.COLOURS[ENSEMBLE], marker="D", linestyle="none")
    style.legend(fig, entries)
