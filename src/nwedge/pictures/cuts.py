"""The cuts of a picture, in parts that are kept, and the points of them that are checked."""

from collections.abc import Callable, Mapping

import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import choose, derive
from nwedge.landscape import Landscape
from nwedge.methods.cutting import cut
from nwedge.methods.grids import Grid
from nwedge.methods.metrics import Function, metrics_of
from nwedge.pictures.keeping import LEAST, LEAST_ESTIMATED, Keeper, joined, rows_of
from nwedge.pictures.progress import Display
from nwedge.pictures.sections import Section
from nwedge.specs.picture import CutArguments

CHECKED = 4
"""Points that are evaluated again: the one nearest to the centre, and others at random."""


def file_name(label: str) -> str:
    """The name of the file of a cut with this label."""
    return label.replace(",", "").replace(" ", "-")


def check_sizes(draws: Mapping[str, Section], columns: int) -> None:
    """Refuse grids whose values take too much memory, with a way out (ValueError)."""
    for section in draws.values():
        Grid(section.chart, section.coordinates, columns)


def size_of(draws: Mapping[str, Section]) -> int:
    """Points of all grids together."""
    return sum(len(Grid(section.chart, section.coordinates, 1)) for section in draws.values())


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
    """The cuts by label, from what is kept and by evaluation of the rest; where the grid is refined, each as one part.

    All points of a picture see the same examples, so that parts differ by no examples.

    Raises:
        ValueError, TypeError: metrics that do not fit the landscape or do not return one number a point.
        StoreError: numbers that cannot be kept.
    """

    def whole(label: str, section: Section) -> xr.Dataset:
        found = []
        sizes = [len(axis) for axis in section.coordinates]
        least = LEAST if tolerance is None else LEAST_ESTIMATED
        pieces = [slice(None)] if arguments.refine is not None else rows_of(sizes, least)
        for number, rows in enumerate(pieces):
            coordinates = [section.coordinates[0][rows], *section.coordinates[1:]]
            units = len(coordinates[0]) * (sizes[1] if len(sizes) > 1 else 1)
            name = f"{file_name(label)}-{number}"
            kept = keeper.has_part(name)

            def evaluate(coordinates: list[Tensor] = coordinates, units: int = units) -> xr.Dataset:
                return cut(
                    landscape,
                    section.chart,
                    coordinates,
                    origin=section.origin,
                    metrics=metrics,
                    tolerance=tolerance,
                    refine=arguments.refine,
                    generator=derive(arguments.seed, "picture", "examples"),
                    progress=lambda done, total: display.step(done / total, units),
                )

            found.append(keeper.part(name, evaluate))
            (display.skip if kept else display.advance)(units)
        return joined(found)

    return {
        label: keeper.dataset(file_name(label), lambda label=label, section=section: whole(label, section))
        for label, section in draws.items()
    }


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
    for point in points:
        for metric in wanted:
            found[metric.name].append(float(metric(point[None])))
        progress(1)
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
