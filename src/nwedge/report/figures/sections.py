"""Sections: the loss and the success of random planes against their dimension, and the threshold against the level."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the loss that training reached in random affine planes, relative to that of random initial points, "
    "against the dimension d of the plane; each mark is a plane, and the lines join means over planes of about one d. "
    "The colours are factors of the distance R of the plane's origin from 0, the dotted line is the level of success. "
    "Middle: the share of planes that reach the level, with the fitted threshold at factor 1 (line: mean over seeds) "
    "and its 95 % interval (band: mean ends); grey ticks are the seeds. Below: the threshold against the level, as "
    "figure 1 of Fort and Jastrzebski has the dimension against the loss; marks are seeds. On wedge models the dashed "
    "line is the law s - D l²/R², exact for one wedge, and open marks are a twin with a single wedge: many wedges lie "
    "below it. The claim says that the threshold is far below D, that the draw of a plane matters less than its "
    "dimension, and that the radius moves the threshold."
)
CAVEATS = (
    "The number depends on the level, so it is stated with it: a looser level lowers the threshold. Each plane takes "
    "the learning rate that ends lowest in it, on the very data that decide its success. Planes in which "
    "the descent stops too early raise it. Which dimensions are tried is up to the search, and with them the share of "
    "the variance that d explains. On sampled wedges the lowest point of each plane is exact; on all wedges it is the "
    "best that several descents found."
)
SMALLER, ONE, LARGER = style.COLOURS["pointwise"], style.COLOURS["sheet"], style.COLOURS["bezier"]
LAW = style.COLOURS["line"]
BIN = 1.15
"""Dimensions within this ratio are taken together in means over planes."""


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss reached and share of successes against d for each radius; the threshold against the level beside the law."""
    names = words.ordered(datasets)
    fig, axes = style.panels(3, names, verdicts)
    for column, name in zip(axes.T, names, strict=True):
        dataset = datasets[name]
        if dataset["d"].isnull().all() or dataset["loss"].isnull().all():
            for panel in column:
                style.says(panel, "no plane is defined here")
            continue
        _losses(column[0], dataset)
        _successes(column[1], dataset)
        _levels(column[2], dataset)
    for row, label in zip(axes, ("loss / initial loss", "share of planes at the level", "threshold d"), strict=True):
        style.label_left(row, [label] * len(names))
    style.legend(fig, _entries(datasets))
    return fig


def _losses(axes: Axes, dataset: xr.Dataset) -> None:
    relative = dataset["loss"] * dataset["level_share"] / dataset["level"]
    for factor in dataset["factor"].values:
        d, loss = _planes(dataset, relative, factor)
        axes.plot(d, loss, ".", color=_colour(factor), markersize=3, alpha=0.35, rasterized=True)
        axes.plot(*_binned(d, loss), color=_colour(factor), linewidth=1.6)
    axes.axhline(float(dataset["level_share"].mean()), color=style.INK, linewidth=0.9, linestyle=":")
    style.value_scale(axes, relative.values, decades=4)
    _dimensions(axes, dataset)
    style.note(axes, f"d explains {_percent(dataset['explained'])} of the variance")


def _successes(axes: Axes, dataset: xr.Dataset) -> None:
    for factor in dataset["factor"].values:
        axes.plot(*_binned(*_planes(dataset, dataset["success"], factor)), color=_colour(factor), linewidth=1.6)
    low, middle, high = (float(dataset[name].mean("seed")) for name in ("low", "threshold", "high"))
    top = float(dataset["dim"].max())
    if np.isfinite(middle):
        axes.axvspan(max(low, 1.0), min(high, top), color=ONE, alpha=0.18, linewidth=0)
        axes.axvline(middle, color=ONE, linewidth=1.0)
    axes.plot(dataset["threshold"].values, np.full(dataset.sizes["seed"], 1.08), "|", color=style.MUTED)
    axes.set_ylim(-0.05, 1.15)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    _dimensions(axes, dataset)
    censored = int(dataset["censored"].sum())
    bound = f", {censored} a bound" if censored else ""
    found = words.number(float(np.round(middle, 0 if middle >= 100 else 1)))
    style.note(axes, f"threshold {found} of {words.number(int(top))}{bound}")


def _levels(axes: Axes, dataset: xr.Dataset) -> None:
    share = dataset["share"].values
    found = dataset["threshold_at_level"].transpose("seed", "share").values
    axes.plot(np.broadcast_to(share, found.shape).ravel(), found.ravel(), ".", color=ONE, markersize=4)
    axes.plot(share, found.mean(0), color=ONE, linewidth=1.6)
    if "law_at_level" in dataset:
        axes.plot(share, dataset["law_at_level"].mean("seed").values, "--o", color=LAW, linewidth=1.2, markersize=2)
        single = dataset["one_wedge_at_level"].mean("seed").values
        axes.plot(share, single, "o", color=LAW, markersize=5, markerfacecolor="none")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, share.max() * 1.12)
    axes.set_xlabel("level / initial loss")
    level, ratio = (words.number(float(dataset[name].mean())) for name in ("level", "level_over_radius"))
    style.note(axes, f"level {level}, level / R {ratio}")


def _planes(dataset: xr.Dataset, values: xr.DataArray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The dimension and the value of every plane of every seed at one factor."""
    d = dataset["d"].sel(factor=factor).values.ravel()
    found = values.transpose(*dataset["d"].dims).sel(factor=factor).values.ravel()
    known = ~np.isnan(d) & ~np.isnan(found)
    return d[known], found[known]


def _binned(d: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean dimension and the mean value of the planes of about one dimension."""
    bins = np.round(np.log(d) / np.log(BIN))
    found = [bins == one for one in np.unique(bins)]
    return np.array([d[one].mean() for one in found]), np.array([values[one].mean() for one in found])


def _dimensions(axes: Axes, dataset: xr.Dataset) -> None:
    """A logarithmic scale from 1 to the largest dimension tried, and the words for it."""
    axes.set_xscale("log")
    largest = float(dataset["d"].max())
    axes.set_xlim(0.8, largest * 1.4)
    axes.xaxis.set_major_locator(FixedLocator([10.0**power for power in range(int(np.log10(largest)) + 1)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("dimension d of the plane")


def _colour(factor: float) -> str:
    return ONE if factor == 1 else SMALLER if factor < 1 else LARGER


def _percent(values: xr.DataArray) -> str:
    mean = float(values.mean("seed", skipna=False))
    return f"{100 * mean:.0f} %" if np.isfinite(mean) else "an unknown share"


def _entries(datasets: Mapping[str, xr.Dataset]) -> dict[str, Artist]:
    factors = sorted({float(factor) for dataset in datasets.values() for factor in dataset["factor"].values})
    entries: dict[str, Artist] = {f"origin × {factor:g}": style.stroke(_colour(factor)) for factor in factors}
    entries |= {
        "level of success": style.stroke(style.INK, width=0.9, dashes=":"),
        "fitted threshold and interval": Patch(facecolor=ONE, alpha=0.3),
    }
    if any("law_at_level" in dataset for dataset in datasets.values()):
        entries |= {
            "law of one wedge": style.stroke(LAW, width=1.2, dashes="--"),
            "one wedge": Line2D([], [], color=LAW, marker="o", markerfacecolor="none", linestyle=""),
        }
    return entries
