"""Planes: filled contours of a metric, contour lines with their values, named points, and what is undefined."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import FigureBase
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nwedge.report.figures import style
from nwedge.report.figures.levels import levels, ticks
from nwedge.report.pictures import axes as naming
from nwedge.report.pictures.panels import Panel, View
from nwedge.report.pictures.picture import Picture

MAP = "viridis"
LABELLED = 5
"""The most contour lines that bear their value."""
LEAST = 2
"""Places along an axis that a contour needs."""


def draw(figure: FigureBase, axes: Axes, picture: Picture, view: View) -> Mapping[str, Artist]:
    """Draw one plane with a bar of its colours; what the legend says of it."""
    (panel,) = view.panels
    axes.set_title(naming.heading(view), loc="left", size=9, weight="bold", parse_math=False)
    if not panel.finite.size or min(panel.values.shape) < LEAST:
        style.says(axes, "undefined throughout" if not panel.finite.size else "too few places to draw a plane")
        return {}
    (x, y), log = panel.places, view.logarithmic
    bounds, norm = levels(view.values, log)
    axes.patch.set(facecolor="#eceef0", hatch="////", edgecolor=style.MUTED)
    shown = np.clip(np.ma.masked_invalid(panel.values), bounds[0], bounds[-1]).T
    axes.contourf(x, y, shown, levels=bounds, norm=norm, cmap=MAP)
    lines = axes.contour(x, y, shown, levels=bounds[1:-1], colors="#fefefe", linewidths=0.5, alpha=0.8)
    _values(axes, lines, bounds)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    if naming.equal(panel):
        axes.set_aspect("equal")
    across, up = naming.labels(picture, panel)
    axes.set_xlabel(across, size=8)
    axes.set_ylabel(up, size=8)
    _marks(axes, picture, panel)
    _bar(figure, axes, panel, bounds, norm)
    if not panel.nonfinite:
        return {}
    hatched = Patch(facecolor="#eceef0", hatch="////", edgecolor=style.MUTED)
    return {f"undefined: NaN or infinite ({panel.nonfinite} in {view.title})": hatched}


def _outlined() -> dict:
    return {"color": style.INK, "path_effects": [withStroke(linewidth=2.2, foreground=style.PAPER)]}


def _values(axes: Axes, lines: object, bounds: np.ndarray) -> None:
    """The values of some contour lines, written on them."""
    inner = np.asarray(ticks(bounds[1:-1], LABELLED)) if len(bounds) > 2 else np.array([])
    if inner.size:
        for text in axes.clabel(lines, levels=inner, fmt=lambda value: f"{value:.3g}", fontsize=6.5, inline_spacing=2):  # pyright: ignore[reportArgumentType]
            text.set(**_outlined())


def _marks(axes: Axes, picture: Picture, panel: Panel) -> None:
    for label, coordinates in picture.marks.items():
        across, up = panel.place(coordinates)
        (x, y) = panel.places
        if not (x[0] <= across <= x[-1] and y[0] <= up <= y[-1]):
            continue
        axes.plot(across, up, "o", color=style.PAPER, markeredgecolor=style.INK, markersize=6, clip_on=False, zorder=6)
        right = across > (x[0] + x[-1]) / 2
        axes.annotate(
            label, (across, up), (-6 if right else 6, 5), textcoords="offset points", ha="right" if right else "left",
            size=8, weight="bold", parse_math=False, zorder=7, **_outlined(),
        )  # fmt: skip


def _bar(figure: FigureBase, axes: Axes, panel: Panel, bounds: np.ndarray, norm: Normalize) -> None:
    mappable = ScalarMappable(norm, MAP)
    bar = figure.colorbar(mappable, ax=axes, location="bottom", shrink=0.9, aspect=30)
    bar.set_label(panel.described, size=8)
    bar.ax.xaxis.set_major_locator(FixedLocator(ticks(bounds)))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    bar.ax.tick_params(labelsize=7.5)
