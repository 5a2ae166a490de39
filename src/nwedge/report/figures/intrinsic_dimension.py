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
    "Both numbers depend on a choice: the count on the curvature above which a direction is short, the threshold on "
    "the level of success. The curvature was fixed at 0.03, where FJ19 found the two to match, the level at a tenth of "
    "the initial loss. A panel that states another curvature is of a network whose counts above 0.03 are not "
    "resolved: it was chosen after they were seen. Where training does not reach a tenth, the level is a quarter."
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
    found = {name: _found(datasets[name]) for name in names}
    known = [pair for pairs in found.values() for pair in pairs.values() if pair.size]
    looks, ends = _looks(datasets), _ends(np.concatenate(known, axis=1) if known else np.ones((2, 1)))
    for panel, name in zip(axes[0], names, strict=True):
        if any(pair.size for pair in found[name].values()):
            _panel(panel, found[name], looks, ends)
            _note(panel, datasets[name], found[name])
        else:
            style.says(panel, "no count and no threshold\nare defined here")
    style.label_left(axes[0], ["threshold of random planes"] * len(names))
    style.legend(fig, _entries(looks, datasets))
    return fig


def _found(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """The count and the threshold in each seed where both are known, shape (2, seeds), by setting."""
    pairs = {size: dataset[["count", "threshold"]].sel(size=size) for size in _sizes(dataset)}
    found = {size: np.stack([pair["count"].values, pair["threshold"].values]) for size, pair in pairs.items()}
    if set(ITSELF) <= set(dataset):
        found[""] = np.stack([dataset[name].values for name in ITSELF])
    return {size: pair[:, ~np.isnan(pair).any(0)] for size, pair in found.items()}


def _ends(every: np.ndarray) -> np.ndarray:
    """The ends of both axes of all panels, a decade at least."""
    low, high = max(EDGE, every.min()) / 1.6, every.max() * 1.6
    return np.array([low, max(high, 10 * low)])


def _panel(axes: Axes, found: Mapping[str, np.ndarray], looks: Mapping[str, tuple[str, str]], ends: np.ndarray) -> None:
    for size, (count, d) in found.items():
        mark, colour = looks[size]
        axes.plot(np.maximum(count, EDGE), d, mark, color=colour, markersize=5, alpha=0.8, linestyle="")
    axes.fill_between(ends, ends / 2, ends * 2, color=style.COLOURS["bend"], alpha=0.35, linewidth=0)
    axes.plot(ends, ends, color=style.MUTED, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")
    low, high = np.log10(ends)
    ticks = [10.0**power for power in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlabel("short directions at the optimum")


def _note(axes: Axes, dataset: xr.Dataset, found: Mapping[str, np.ndarray]) -> None:
    text = f"curvature > {words.number(float(dataset['curvature'].mean()))}"
    none = sum(int((count < 1).sum()) for count, _ in found.values())
    style.note(axes, text + (f"; {words.count(none, 'count')} of 0" if none else ""))


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
        "the two are equal": style.stroke(style.MUTED, width=1.0),
        "within a factor of 2": Patch(facecolor=style.COLOURS["bend"], alpha=0.35),
    }


def _mark(look: tuple[str, str]) -> Line2D:
    return Line2D([], [], marker=look[0], color=look[1], linestyle="")
