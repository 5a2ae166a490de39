"""The cuts of a picture, in parts that are kept, and the points of them that are checked."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import choose, derive
from nwedge.landscape import Landscape
from nwedge.methods.cutting import cut
from nwedge.methods.measuring import LEAST
from nwedge.methods.metrics import Function, metrics_of
from nwedge.pictures.keeping import Keeper
from nwedge.pictures.progress import Display
from nwedge.pictures.sections import Section
from nwedge.specs.picture import CutArguments

CHECKED = 4
"""Points that are evaluated again: the one nearest to the centre, and others at random."""


def file_name(label: str) -> str:
    """The name of the file of a cut with this label."""
    return label.replace(",", "").replace(" ", "-")


def size_of(draws: Mapping[str, Section]) -> int:
    """Points of all grids together."""
    return sum(math.prod(map(len, section.coordinates)) for section in draws.values())


def cut_all(
    landscape: Landscape,
    draws: Mapping[str, Section],
    arguments: CutArguments,
    metrics: Mapping[str, Function | str],
    keeper: Keeper,
    display: Display,
    *,
    tolerance: float | None,
) -> dict[str, xr.Dataset]:
    """The cuts by label, from what is kept and by evaluation of the rest.

    All points of a picture see the same examples.

    Raises:
        ValueError, TypeError: metrics that do not fit the landscape or do not return one number a point.
        StoreError: numbers that cannot be kept.
    """

    def one(name: str, section: Section, coordinates: Sequence[Tensor], refine: float | None) -> xr.Dataset:
        return cut(
            landscape,
            section.chart,
            coordinates,
            origin=section.origin,
            metrics=metrics,
            tolerance=tolerance,
            refine=refine,
            generator=derive(arguments.seed, "picture", "examples"),
            keep=lambda part, compute: keeper.part(f"{name}-{part}", compute),
            progress=lambda done, total: display.step(done / total, size_of({name: section})),
        )

    def whole(name: str, section: Section) -> xr.Dataset:
        if arguments.refine is None or section.refined is None:
            return one(name, section, section.coordinates, arguments.refine)
        even, places = section.refined
        return with_places(
            one(name, section, [even], arguments.refine), one(f"{name}-places", section, [places], None),
            section.coordinates[0].to(section.chart.dtype),
        )  # fmt: skip

    found = {}
    for label, section in draws.items():
        name = file_name(label)
        found[label] = keeper.dataset(name, lambda name=name, section=section: whole(name, section))
        display.advance(size_of({label: section}))
    return found


def with_places(refined: xr.Dataset, places: xr.Dataset, axis: Tensor) -> xr.Dataset:
    """A refined line with a few places on it whose values are evaluated in any case.

    Args:
        refined: the line, with `evaluated`.
        places: the values there.
        axis: the coordinates of both, without those of the line that are places, shape (count,).
    """
    wanted = np.isin(refined["c0"], axis.cpu()) & ~np.isin(refined["c0"], places["c0"])
    places = places.assign(evaluated=("c0", np.ones(places.sizes["c0"], dtype=bool)))
    both = xr.concat(
        [refined.isel(c0=wanted), places], dim="c0", data_vars="all", coords="minimal", compat="override",
        combine_attrs="override",
    ).sortby("c0")  # fmt: skip
    counts = [refined.attrs["evaluations"], places.attrs["evaluations"]]
    for name, variable in both.data_vars.items():
        if "nonfinite" in variable.attrs:
            variable.attrs["nonfinite"] = int((~np.isfinite(variable.values)).sum())
        if "share" in variable.attrs:
            shares = [one[name].attrs["share"] for one in (refined, places)]
            variable.attrs["share"] = float(np.average(shares, weights=counts))
    return both.assign_attrs(evaluations=sum(counts))


def values_at(
    landscape: Landscape,
    points: Float[Tensor, "checkpoint dim"],
    names: list[str],
    metrics: Mapping[str, Function | str],
    progress: Callable[[int], object],
) -> xr.Dataset:
    """The metrics at checkpoints, each on all examples: dims checkpoint."""
    wanted = metrics_of(landscape, metrics)
    found: dict[str, list[float]] = {metric.name: [] for metric in wanted}
    for some in points.split(LEAST):
        for metric in wanted:
            found[metric.name] += metric(some).tolist()
        progress(len(some))
    return xr.Dataset(
        {
            metric.name: ("checkpoint", found[metric.name], {"long_name": metric.long_name, "units": metric.units})
            for metric in wanted
        },
        {"name": ("checkpoint", names)},
    )


def chosen(
    draws: Mapping[str, Section], cuts: Mapping[str, xr.Dataset], generator: Generator
) -> list[tuple[str, tuple[int, ...], Tensor]]:
    """Points to be evaluated again: the label of their cut, their place on its grid, and the point, shape (dim,).

    The first is the one nearest to the coordinates 0 of the first cut, the others lie anywhere on any; all of them were
    evaluated, not interpolated.
    """
    places = [
        (label, tuple(place))
        for label, found in cuts.items()
        for place in _evaluated(found).nonzero().tolist()
    ]  # fmt: skip
    first, section = next(iter(draws.items()))
    nearest = min(
        (place for label, place in places if label == first),
        key=lambda place: sum(float(axis[i]) ** 2 for axis, i in zip(section.coordinates, place, strict=True)),
    )
    places.remove((first, nearest))
    others = [places[row] for row in choose(len(places), CHECKED - 1, generator).tolist()]
    found = []
    for label, place in [(first, nearest), *others]:
        section = draws[label]
        coords = torch.stack([axis[i] for axis, i in zip(section.coordinates, place, strict=True)])
        point = section.points(coords.to(section.chart.device, section.chart.dtype)[None])[0]
        found.append((label, place, point))
    return found


def _evaluated(cut: xr.Dataset) -> Tensor:
    if "evaluated" in cut:
        return torch.from_numpy(cut["evaluated"].values.astype(bool))
    return torch.ones(next(iter(cut.data_vars.values())).shape, dtype=torch.bool)
