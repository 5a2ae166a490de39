"""Lines: a metric along a direction or from point to point, with error bands, every draw and their spread."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nwedge.report.figures import style
from nwedge.report.pictures import axes as naming
from nwedge.report.pictures.panels import HELD_OUT, Panel, View, same_grid
from nwedge.report.pictures.picture import Picture

COLOURS = {False: "#0072b2", True: "#d55e00"}
"""Of what is seen on the training data, and on held-out data."""
MOST = 5
"""Draws beyond which each is drawn thinner still."""


def draw(axes: Axes, picture: Picture, view: View) -> Mapping[str, Artist]:
    """Draw one view of a line; what the legend says of it."""
    entries: dict[str, Artist] = {}
    axes.set_title(naming.heading(view), loc="left", size=9, weight="bold", parse_math=False)
    for metric in dict.fromkeys(panel.metric for panel in view.panels):
        draws = [panel for panel in view.panels if panel.metric == metric]
        entries |= _metric(axes, draws, COLOURS[metric.startswith(HELD_OUT)])
    if view.values.size == 0:
        style.says(axes, "undefined throughout")
        return entries
    if view.panels[0].units in ("fraction", "%"):
        axes.margins(y=0.08)
    else:
        style.value_scale(axes, view.values, decades=5)
    if view.nonfinite:
        entries |= _undefined(axes, view)
    _marks(axes, picture, view.panels[0])
    axes.set_xlabel(naming.labels(picture, view.panels[0])[0])
    axes.set_ylabel(naming.quantity(view))
    return entries


def _metric(axes: Axes, draws: list[Panel], colour: str) -> dict[str, Artist]:
    """One draw with its error, or all of them with mean and standard deviation."""
    quantity = draws[0].quantity
    if len(draws) == 1:
        (panel,) = draws
        values, places = _gaps(panel), panel.places[0]
        axes.plot(places, values, color=colour, linewidth=1.8)
        entries: dict[str, Artist] = {quantity: style.stroke(colour)}
        if panel.errors is not None:
            axes.fill_between(places, values - panel.errors, values + panel.errors, color=colour, alpha=0.25, lw=0)
            entries["shaded: ± one standard error"] = Patch(color=style.MUTED, alpha=0.25)
        return entries
    for panel in draws:
        thin = 0.9 if len(draws) <= MOST else 0.6
        axes.plot(panel.places[0], _gaps(panel), color=colour, linewidth=thin, alpha=0.55)
    entries = {f"{quantity}, each draw": style.stroke(colour, width=0.9)}
    if same_grid(draws):
        values, places = np.stack([_gaps(panel) for panel in draws]), np.mean([one.places[0] for one in draws], axis=0)
        mean, spread = values.mean(0), values.std(0, ddof=1)
        axes.plot(places, mean, color=colour, linewidth=2.2)
        axes.fill_between(places, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        entries[f"{quantity}, mean of {len(draws)} draws"] = style.stroke(colour, width=2.2)
        entries["shaded: ± one standard deviation over draws"] = Patch(color=style.MUTED, alpha=0.2)
    return entries


def _undefined(axes: Axes, view: View) -> dict[str, Artist]:
    """A cross at the foot of the panel wherever a value is not finite."""
    for panel in (panel for panel in view.panels if panel.nonfinite):
        where = panel.places[0][~np.isfinite(panel.values)]
        axes.plot(
            where, np.zeros_like(where), "x", color=style.INK, markersize=5, clip_on=False,
            transform=axes.get_xaxis_transform(), zorder=5,
        )  # fmt: skip
    handle = Line2D([], [], color=style.INK, marker="x", linestyle="none", markersize=5)
    return {f"undefined: NaN or infinite ({view.nonfinite} in {view.title})": handle}


def _marks(axes: Axes, picture: Picture, panel: Panel) -> None:
    for label, coordinates in picture.marks.items():
        (place,) = panel.place(coordinates)
        if not panel.places[0][0] <= place <= panel.places[0][-1]:
            continue
        axes.axvline(place, color=style.MUTED, linewidth=0.8, linestyle=":")
        axes.annotate(
            label, (place, 1), (2, -2), xycoords=axes.get_xaxis_transform(), textcoords="offset points", size=7.5,
            va="top", ha="left", color=style.INK, parse_math=False, rotation=90,
        )  # fmt: skip


def _gaps(panel: Panel) -> np.ndarray:
    """The values, NaN where they are infinite, too."""
    return np.where(np.isfinite(panel.values), panel.values, np.nan)
