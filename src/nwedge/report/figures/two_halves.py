"""The two halves of a tunnel: how its deviations from the straight line point, and where it changes its wedge."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwedge.report import words
from nwedge.report.figures import style

CAPTION = (
    "Above: the cosine between the deviations of a tunnel from the straight line at any two of its places, mean over "
    "the seeds: blue where two deviations point the same way, white where they are orthogonal, red where they are "
    "opposed. The claim says that each half is blue and the two off-diagonal quarters are white. Below: how far the "
    "tunnel has changed since its first end, as the share of changed labels (networks) or of changed short axes of the "
    "nearest wedge (toys), against the position; thin curves are single seeds, thick ones their mean. The remarks "
    "above the matrices give the mean cosine within the halves and the mean absolute cosine across them."
)
CAVEATS = (
    "A path with a single bend deviates in one direction by construction and is not used; few places or few training "
    "steps blur the halves; in the toy the pattern of the pointwise tunnel depends on how many axes are short, and "
    "shows best where they are a third to a half. Where a deviation is almost zero its direction is undefined."
)
PATHS = {"pointwise": ("pointwise tunnel", "-"), "sheet": ("whole-path tunnel", (0, (3, 1)))}


def figure(datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
    """Cosine matrices of the pointwise and of the whole-path tunnel, and the change along both below."""
    names = words.ordered(datasets)
    fig, axes = style.panels(3, names, verdicts, height=2.1)
    image = None
    for column, name in zip(axes.T, names, strict=True):
        for panel, path in zip(column, PATHS, strict=False):
            image = _cosines(panel, datasets[name], path) or image
        _changes(column[2], datasets[name])
    for row, (label, _) in zip(axes, PATHS.values(), strict=False):
        style.label_left(row, [label] * len(names))
    style.label_left(axes[2], ["share changed"] * len(names))
    if image is not None:
        fig.colorbar(
            image, ax=axes[:2], label="cosine of two deviations", shrink=0.6, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1]
        )
    style.legend(
        fig, {label: style.stroke(style.COLOURS[path], dashes=dashes) for path, (label, dashes) in PATHS.items()}
    )
    return fig


def _cosines(axes: Axes, dataset: xr.Dataset, path: str) -> Any:
    matrices = dataset["cosine"].sel(path=path).transpose("seed", "place", "other").values
    seeds = matrices[style.known(matrices)]
    if len(seeds) == 0:
        style.says(axes, "no direction is defined:\nthe path does not leave the line")
        return None
    places = matrices.shape[1]
    image = axes.imshow(seeds.mean(0), cmap="RdBu", vmin=-1, vmax=1, origin="lower", aspect="equal")
    axes.set_facecolor(style.COLOURS["line"])
    middle = (places - 1) / 2
    axes.axhline(middle, color=style.INK, linewidth=0.6)
    axes.axvline(middle, color=style.INK, linewidth=0.6)
    halves = [places / 4 - 0.5, 3 * places / 4 - 0.5]
    axes.set_xticks(halves, ["first half", "second half"])
    axes.set_yticks(halves, ["first", "second"], rotation=90, va="center")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    style.note(axes, _remark(dataset, path, len(seeds)))
    return image


def _remark(dataset: xr.Dataset, path: str, seeds: int) -> str:
    parts = [
        f"{label} {words.number(float(dataset[what].sel(path=path).mean('seed', skipna=False)))}"
        for what, label in (("within", "within"), ("across", "|across|"))
        if what in dataset
    ]
    if seeds < dataset.sizes["seed"]:
        parts.append(f"{seeds} of {dataset.sizes['seed']} seeds")
    return ", ".join(parts)


def _changes(axes: Axes, dataset: xr.Dataset) -> None:
    if "changed" not in dataset or dataset["changed"].isnull().all():
        style.says(axes, "a change of label or wedge\nhas no meaning here")
        return
    changed, places = xr.broadcast(dataset["changed"], dataset["t"])
    for path, (_, dashes) in PATHS.items():
        values, where = (array.sel(path=path).transpose("seed", "place").values for array in (changed, places))
        style.curves(axes, where, values, style.COLOURS[path], dashes)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("position t on the path")
