"""The loss from start to optimum: on the straight line, and on the way that training took."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "The loss between the start and the optimum of each run. Above: at equally spaced points of the straight line that "
    "joins them. Below: at the points that training visited, against the step on a logarithmic scale. Thin curves are "
    "single runs, thick ones their mean. The claim says that the curves fall without a hill. The remark above each "
    "panel gives the largest rise of any run above its lowest loss so far, as a share of the whole drop (0 means that "
    "no run ever rose), and how many runs rise by more than a thousandth of it."
)
CAVEATS = (
    "Rises are known for networks with batch normalisation and for adaptive optimisers that travel far; a large "
    "learning rate makes the real trajectory jump even where the landscape has no hill. The line is seen at a finite "
    "number of points and the trajectory at the kept steps only, so a narrower hill would be missed."
)
RISES = 0.001
"""A rise of a larger share of the drop makes a run non-monotone: above rounding, far below what is judged."""
WAYS = {"line": ("t", "loss on the line"), "trajectory": ("step", "loss in training")}
"""The prefix of the stored variables, the coordinate they run over, and the name of the vertical axis."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Two rows, one column per landscape: loss on the straight line over t, loss on the trajectory over the step."""
    names = words.ordered(datasets)
    fig, axes = style.panels(2, names, verdicts)
    for column, name in zip(axes.T, names, strict=True):
        for panel, (what, (place, _)) in zip(column, WAYS.items(), strict=True):
            _losses(panel, datasets[name], what, place)
    for row, (what, (_, label)) in zip(axes, WAYS.items(), strict=True):
        style.label_left(row, [style.with_units(label, datasets[name][f"{what}_loss"]) for name in names])
    colour = style.COLOURS["run"]
    style.legend(fig, {"one run": style.stroke(colour, width=0.6), "mean of the runs": style.stroke(colour)})
    return fig


def _losses(axes: Axes, dataset: xr.Dataset, what: str, place: str) -> None:
    places = dataset[place].values
    values = dataset[f"{what}_loss"].transpose("seed", "run", place).values.reshape(-1, len(places))
    if not style.known(values).any():
        style.says(axes, "no loss is defined here")
        return
    style.curves(axes, places, values, style.COLOURS["run"])
    style.note(axes, _remark(dataset, f"{what}_rise"))
    if place == "step":
        style.value_scale(axes, values, decades=5)
        style.step_scale(axes, places)
        axes.set_xlabel("training step")
    else:
        style.value_scale(axes, values, decades=3)
        axes.set_xlabel("position on the line")
        axes.set_xticks([0, 0.5, 1], ["start", "½", "optimum"])


def _remark(dataset: xr.Dataset, rise: str) -> str:
    if rise not in dataset:
        return ""
    known = dataset[rise].values[~np.isnan(dataset[rise].values)]
    if not known.size:
        return "rise undefined"
    largest, rising = words.number(float(known.max())), int((known > RISES).sum())
    lost = f", {dataset[rise].size - known.size} undefined" if known.size < dataset[rise].size else ""
    return f"largest rise: {largest} of the drop\n{rising} of {words.count(known.size, 'run')} above {RISES:g}{lost}"
