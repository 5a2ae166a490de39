"""Two ways to one number: the threshold of random planes against the count of short directions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "The dimension from which random planes train to the level, against the number of short directions at the optimum, "
    "both on logarithmic scales; each mark is a seed, filled circles the landscape itself, other marks networks of "
    "other widths or with other amounts of data. On the diagonal the two numbers agree, and in the grey band they are "
    "within a factor of two. A count below one is drawn at the left edge. The claim says that the marks of the "
    "landscape lie in the band, and that the two numbers rise together from setting to setting."
)
CAVEATS = (
    "Both numbers depend on a choice: the count on the curvature above which a direction is short, the threshold on the "
    "level of success. Both are fixed beforehand and the same for all landscapes that train that far."
)
ITSELF = ("own_count", "own_threshold")
"""The numbers of the landscape itself, which come from the results of two other claims."""
MARKS = ("s", "^", "D", "v", "P", "X", "<", ">")
COLOURS = tuple(style.COLOURS[name] for name in ("pointwise", "bezier", "holds", "fails", "inconclusive", "line"))
EDGE = 0.5
"""Where a count of none is drawn."""


def beside(dataset: xr.Dataset, sections: xr.Dataset, short: xr.Dataset) -> xr.Dataset:
    """The results of this claim with the two numbers of the landscape itself, from the claims that measured them.

    Args:
        dataset: of `intrinsic-dimension`.
        sections: its variable `threshold` is taken.
        short: of `short-directions`: its variable `center_count` is taken at m = 1 and the curvature of `dataset`.
    """
    counts = short["center_count"]
    row = int(np.abs(counts["threshold"].values - float(dataset["curvature"].values.flat[0])).argmin())
    count = counts.isel(threshold=row).sel(m=1).reindex(seed=dataset["seed"])
    threshold = sections["threshold"].reindex(seed=dataset["seed"])
    return dataset.assign(own_count=("seed", count.values), own_threshold=("seed", threshold.values))


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """The threshold against the count, one mark per setting and seed, with the diagonal.

    The landscape itself is drawn where the numbers of `beside` are there.
    """
    names = words.ordered(datasets)
    fig, axes = style.panels(1, names, verdicts, height=2.6)
    looks = _looks(datasets)
    for panel, name in zip(axes[0], names, strict=True):
        _panel(panel, datasets[name], looks)
    style.label_left(axes[0], ["threshold of random planes"] * len(names))
    style.legend(fig, _entries(looks, datasets))
    return fig


def _panel(axes: Axes, dataset: xr.Dataset, looks: Mapping[str, tuple[str, str]]) -> None:
    points = {size: (dataset["count"].sel(size=size), dataset["threshold"].sel(size=size)) for size in _sizes(dataset)}
    found = {size: (count.values, d.values) for size, (count, d) in points.items()}
    if set(ITSELF) <= set(dataset):
        found[""] = tuple(dataset[name].values for name in ITSELF)
    defined = [np.stack(pair)[:, ~np.isnan(np.stack(pair)).any(0)] for pair in found.values()]
    every = np.concatenate(defined, axis=1) if defined else np.empty((2, 0))
    if not every.size:
        style.says(axes, "no count and no threshold\nare defined here")
        return
    for size, (count, d) in found.items():
        mark, colour = looks[size]
        axes.plot(np.maximum(count, EDGE), d, mark, color=colour, markersize=5, alpha=0.8, linestyle="")
    low, high = max(EDGE, every.min()) / 1.6, every.max() * 1.6
    ends = np.array([low, high])
    axes.fill_between(ends, ends / 2, ends * 2, color=style.COLOURS["bend"], alpha=0.35, linewidth=0)
    axes.plot(ends, ends, color=style.MUTED, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    ticks = [10.0**power for power in range(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1)]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlabel("short directions at the optimum")
    none = int((every[0] < 1).sum())
    style.note(
        axes,
        f"curvature above {words.number(float(dataset['curvature'].mean()))}"
        + (f"; {none} counts of 0" if none else ""),
    )


def _sizes(dataset: xr.Dataset) -> list[str]:
    return dataset["size"].values.tolist()


def _looks(datasets: Mapping[str, xr.Dataset]) -> dict[str, tuple[str, str]]:
    """The mark and the colour of each setting; "" is the landscape itself."""
    sizes = dict.fromkeys(size for dataset in datasets.values() for size in _sizes(dataset))
    looks = {size: (MARKS[index % len(MARKS)], COLOURS[index % len(COLOURS)]) for index, size in enumerate(sizes)}
    return looks | {"": ("o", style.COLOURS["sheet"])}


def _entries(looks: Mapping[str, tuple[str, str]], datasets: Mapping[str, xr.Dataset]) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    if any(set(ITSELF) <= set(dataset) for dataset in datasets.values()):
        entries["the landscape itself"] = _mark(looks[""])
    entries |= {size: _mark(look) for size, look in looks.items() if size}
    return entries | {
        "the two are equal": style.stroke(style.MUTED, width=1),
        "within a factor of 2": Patch(facecolor=style.COLOURS["bend"], alpha=0.35),
    }


def _mark(look: tuple[str, str]) -> Line2D:
    return Line2D([], [], marker=look[0], color=look[1], linestyle="")
