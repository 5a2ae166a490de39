"""Sheets over m optima: the barrier, the loss and the accuracy on the sheet and on the flat simplex, against m."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the barrier of a surface through m optima, the largest excess of the loss over the weighted losses of the "
    "optima at random points of it: on the trained sheet, on the flat simplex between the same optima, and on the "
    "sheet whose vertices were trained one by one. Middle: the mean loss at these points. Below, for networks: their "
    "mean accuracy on held-out data (on all data where none are held out); for toys the distance of the sheet's centre "
    "from the nearest wedge. Small marks are single seeds, lines their mean. The claim says that the trained sheet "
    "removes the barrier of the flat simplex for every m up to 10. Large m of a network are drawn from a pool of all "
    "seeds' optima, in a few disjoint sets, so they have fewer marks."
)
CAVEATS = (
    "Only as many random points as the settings say are looked at, so a narrow ridge can be missed. More steps lower "
    "the sheets; the number of a sheet's vertices doubles with each optimum. Optima that are copies of one another up "
    "to a permutation of hidden units count as several."
)
SURFACES = {
    "sheet": ("trained sheet", "-", style.COLOURS["sheet"]),
    "flat": ("flat simplex", (0, (4, 2)), style.COLOURS["line"]),
    "pointwise": ("pointwise sheet", (0, (1, 1)), style.COLOURS["pointwise"]),
}
MEANING = {
    "held_out_accuracy": "held-out accuracy",
    "accuracy": "accuracy",
    "center_distance": "distance of the centre",
}
"""What the last row shows, the first of these that a landscape has, and the name of its axis."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Barrier, mean loss, and accuracy or distance, against m; one column per landscape."""
    names = words.ordered(datasets)
    meanings = [next((what for what in MEANING if what in datasets[name]), "") for name in names]
    fig, axes = style.panels(3 if any(meanings) else 2, names, verdicts)
    for column, name, meaning in zip(axes.T, names, meanings, strict=True):
        dataset = datasets[name]
        for panel, what in zip(column, ("barrier", "loss", meaning), strict=False):
            _against_m(panel, dataset, what)
        style.note(column[0], _remark(dataset))
    style.label_left(axes[0], ["barrier"] * len(names))
    style.label_left(axes[1], ["mean loss"] * len(names))
    if len(axes) == 3:
        style.label_left(axes[2], [MEANING.get(meaning, "") for meaning in meanings])
    style.legend(fig, {label: style.stroke(colour, dashes=dashes) for label, dashes, colour in SURFACES.values()})
    return fig


def _against_m(axes: Axes, dataset: xr.Dataset, what: str) -> None:
    if what not in dataset:
        axes.set_axis_off()
        return
    m = dataset["m"].values
    if not np.isfinite(dataset[what].values).any():
        style.says(axes, "no sheet is defined here")
        return
    for surface, (_, dashes, colour) in SURFACES.items():
        values = dataset[what]
        if "surface" in values.dims:
            values = values.sel(surface=surface)
        elif surface != "sheet":
            continue
        values = values.transpose("seed", "m").values
        there = np.isfinite(values).any(0)
        if not there.any():
            continue
        axes.plot(m[there], np.nanmean(values[:, there], axis=0), color=colour, linestyle=dashes, marker="o", ms=3)
        axes.plot(np.broadcast_to(m, values.shape).T, values.T, "_", color=colour, ms=4, alpha=0.6)
    if "accuracy" not in what:
        style.value_scale(axes, np.abs(dataset[what].values), decades=4)
    axes.set_xticks(m)
    axes.set_xlabel("m, optima joined")


def _remark(dataset: xr.Dataset) -> str:
    if together := int(dataset["coincide"].sum()):
        return f"optima coincide in {together} of {int(dataset['there'].sum())} sheets: count as 0"
    ratio = dataset["ratio"].where(dataset["there"]).mean("seed", skipna=True)
    known = ratio.where(ratio.notnull(), drop=True)
    if not known.size:
        return ""
    worst = known["m"].values[known.values.argmin()]
    again = (1 - dataset["m"] / dataset["looked_at"]).mean("seed", skipna=True).max("m", skipna=True)
    more = f"\ndistinct wedges: up to {float(again):.0%} of optima redrawn" if again > 0 else ""
    return f"least removed: {words.number(float(known.min()))} of the barrier, at m = {worst}{more}"
