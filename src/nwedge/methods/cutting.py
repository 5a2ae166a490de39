"""Cuts: what is measured on a grid of coordinates in a chart, with everything that a picture of it has to say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import derive
from nwedge.geometry import Chart
from nwedge.landscape import Landscape, Separable
from nwedge.landscapes.restricted import restrict
from nwedge.methods.grids import Grid
from nwedge.methods.measuring import Keep, Measurement, Progress
from nwedge.methods.metrics import Metrics, metrics_of
from nwedge.methods.refined_grids import refine_grid
from nwedge.methods.tolerance import check_tolerance

FLOOR = 0.1
"""The value below which tolerances are relative to it, where none is given: of a loss in nats, a small one."""


def cut(
    landscape: Landscape,
    chart: Chart,
    coordinates: Sequence[Any],
    *,
    origin: Float[Tensor, " dim"] | None = None,
    metrics: Metrics = ("loss",),
    tolerance: float | None = None,
    refine: float | None = None,
    floor: float = FLOOR,
    generator: Generator | None = None,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """What is measured on a grid of a chart: V[i, j, ...] = metric(embed(c0[i], c1[j], ...)), the origin added.

    A cut shows as many dimensions as the chart has: what looks round in it may be long in directions that it lacks.
    NaN and infinite values are kept, and counted.

    Args:
        landscape: any landscape; neither it nor its model is changed.
        chart: a line, a plane, a sheet, a random subspace or any other.
        coordinates: for each dimension of the chart its increasing coordinates, shape (count,).
        origin: shape (dim,); to be given with a chart of displacements (Plane, RandomSubspace), and only then.
        metrics: names among "loss", "accuracy", "held_out_loss" and "held_out_accuracy"; or, by names of one's own,
            functions (landscape, points) -> (batch,) or such names.
        tolerance: evaluates each loss on as few examples as give a standard error of
            tolerance * max(|loss|, floor) (`nwedge.estimate`); other metrics see all examples. None: all do.
        refine: evaluates the grid closely only where interpolation misses the first metric by more than
            refine * max(|value|, floor) (`nwedge.refine`), in 1 or 2 dimensions; the other metrics at the same places.
            Grids that are even, with an even number of intervals, are met at their own points. None: all are evaluated.
        floor: the value below which `tolerance` and `refine` are relative to the floor.
        generator: of the examples that a tolerance draws; None derives one from the seed 0.
        keep: called with the name of each part of the numbers and a function that computes it, tensors by name; it
            returns them, from where it has kept them or by that function, so that a cut that was killed goes on from
            there. Parts are an eighth of the grid or, with `refine`, of each round. None computes all at once.
        progress: called with the number of points that are done and of all.

    Returns:
        A dataset with the dims c0, c1, ...: each metric by its name, in float64, with `nonfinite` among its attributes,
        how many values are not finite. Beside the coordinates: distance0, distance1, ..., the distance in weight space
        from 0 along the axis, with the sign of the coordinate. With a tolerance <loss>_error, the standard error, and
        <loss>_examples, how many the point took, with `share` among its attributes, that of all examples which all
        evaluated points took; with `refine` evaluated, false where a value is interpolated.
        Attributes: chart, angle (degrees between the axes at 0; for more than two a list in the order (0, 1), (0, 2),
        ...), evaluations, examples, and tolerance, refine and floor where they count.

    Raises:
        ValueError, TypeError: a chart, an origin, coordinates or metrics that do not fit the landscape, a function that
            does not return one number a point, a direction of norm 0, two that are parallel, a grid whose values take
            more than 2 GiB, or a tolerance where losses are no means over examples.
    """
    wanted = metrics_of(landscape, metrics)
    seen = restrict(landscape, chart, origin)
    tolerances = {"tolerance": tolerance, "refine": refine}
    given = {name: float(value) for name, value in tolerances.items() if value is not None}
    for value in given.values():
        check_tolerance(value, floor)
    if tolerance is not None and not any(metric.estimable for metric in wanted):
        raise ValueError("a tolerance is of losses, and metrics has none of them: leave it out")
    measure = Measurement(wanted, seen, tolerance, floor, generator or derive(0, "cut"), keep)
    grid = Grid(chart, coordinates, len(measure.columns))
    found, angles = xr.Dataset(coords=_coordinates(grid)), grid.angles()
    if refine is None:
        values, evaluations = measure(grid.coordinates(), progress), len(grid)
    else:
        refined = refine_grid(seen, grid, measure, wanted[0].name, tolerance=refine, floor=floor, progress=progress)
        values, evaluations = refined.values, refined.evaluations
        found["evaluated"] = _variable(grid, refined.evaluated, long_name="evaluated, not interpolated")
    for name, (words, units) in measure.columns.items():
        found[name] = _variable(grid, values[name], long_name=words, units=units)
    for name, share in measure.shares.items():
        found[name].attrs["share"] = share
    for metric in wanted:
        found[metric.name].attrs["nonfinite"] = int((~values[metric.name].isfinite()).sum())
    return found.assign_attrs(
        chart=type(chart).__name__.lower(),
        evaluations=evaluations,
        **({"angle": angles[0] if len(angles) == 1 else angles} if angles else {}),
        **({"examples": landscape.examples} if isinstance(landscape, Separable) else {}),
        **({**given, "floor": float(floor)} if given else {}),
    )


def _coordinates(grid: Grid) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    chart = type(grid.chart).__name__.lower()
    found = {}
    for number, (axis, distance) in enumerate(zip(grid.axes, grid.distances(), strict=True)):
        dim, units = f"c{number}", {"units": "1"}
        words = f"coordinate {number} of the {chart}"
        found[dim] = (dim, _array(axis.double()), {"long_name": words, **units})
        words = f"distance in weight space along coordinate {number}"
        found[f"distance{number}"] = (dim, _array(distance), {"long_name": words, **units})
    return found


def _variable(grid: Grid, values: Tensor, **attributes: str) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    dims = tuple(f"c{number}" for number in range(grid.chart.dim))
    return dims, _array(values.view(grid.sizes)), attributes


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
