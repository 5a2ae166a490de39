"""Four kinds of ensembles: how much the functions of their members differ, and what averaging predictions gains."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Ensembles of independent optima, of snapshots across wedges (cycle ends at the highest learning rate at which "
    "they are trained), of snapshots within a wedge (at the lowest rate), and of random points of a sheet over several "
    "optima. Above: how much the functions of two members differ. On networks it is the share of held-out examples "
    "that they label differently, divided by the members' mean error, so that worse members do not count as more "
    "diverse; on sampled wedges the share of pairs whose nearest wedges differ; on the family of all wedges the share "
    "of the short axes of one that are not short for the other. Below, on networks: the share of the members' errors "
    "that the average of their predictions removes; a wedge model predicts no classes, so there is no gain to show. "
    "Points are seeds, bars their mean; the remarks give mean accuracies on held-out data, of single members and of "
    "their ensemble, for independent optima. The claim says that optima differ more, and gain more, than snapshots "
    "within a wedge."
)
CAVEATS = (
    "Held-out examples are few on small data sets, so the gain of a seed comes in coarse steps. Independent optima and "
    "snapshots are trained by different schedules, for different times and with different weight decay, so their "
    "accuracies differ; snapshots at the lowest rate still improve from one to the next. Optima that are copies of one "
    "another up to a permutation of hidden units do not disagree."
)
KINDS = {
    "independent": ("optima", "sheet"),
    "across": ("across", "pointwise"),
    "within": ("within", "line"),
    "sheet": ("sheet", "bezier"),
}
"""What each kind is called on the axis, and the name of its colour."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """The difference of the members' functions, and the errors that the ensemble removes, for each kind."""
    names = words.ordered(datasets)
    fig, axes = style.panels(2, names, verdicts, height=2.3)
    for column, name in zip(axes.T, names, strict=True):
        dataset = datasets[name]
        _strip(column[0], dataset, "diversity")
        if "error_reduction" not in dataset:
            style.says(column[1], "a wedge model predicts no classes:\nno gain is defined")
            continue
        _strip(column[1], dataset, "error_reduction")
        if column[1].axison:
            column[1].axhline(0, color=style.MUTED, linewidth=0.7)
            own = dataset.sel(kind="independent")
            single, together = (words.number(float(own[what].mean())) for what in ("single_accuracy", "accuracy"))
            style.note(column[1], f"accuracy: one {single}, together {together}")
    style.label_left(
        axes[0], ["disagreement / error" if "accuracy" in datasets[name] else "disagreement" for name in names]
    )
    style.label_left(axes[1], ["share of errors removed"] * len(names))
    handles = {"mean over seeds": style.stroke(style.INK), "seeds": _point(style.INK)}
    style.legend(fig, handles)
    return fig


def _strip(axes: Axes, dataset: xr.Dataset, what: str) -> None:
    values = dataset[what].transpose("kind", "seed")
    if values.isnull().all():
        style.says(axes, "no ensemble is defined here")
        return
    for place, (kind, (_, colour)) in enumerate(KINDS.items()):
        own = values.sel(kind=kind).values
        own = own[np.isfinite(own)]
        if len(own) == 0:
            axes.annotate(
                "none", (place, 0), (0, 4), textcoords="offset points", ha="center", color=style.MUTED, size=7
            )
            continue
        across = place + np.linspace(-0.15, 0.15, len(own)) if len(own) > 1 else np.array([place])
        axes.plot(across, own, "o", color=style.COLOURS[colour], markersize=4)
        axes.plot([place - 0.3, place + 0.3], [own.mean()] * 2, color=style.COLOURS[colour], linewidth=2.0)
    axes.set_xlim(-0.6, len(KINDS) - 0.4)
    axes.set_xticks(range(len(KINDS)), [label for label, _ in KINDS.values()], fontsize=7)
    if what == "diversity":
        axes.set_ylim(-0.05, 1.05 * max(1.0, float(values.max())))


def _point(colour: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", markersize=4, linestyle="none")
