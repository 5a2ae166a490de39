"""Grids of coordinates in a chart: their points in order, and how long their axes are in weight space."""

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from nwedge.geometry import Chart
from nwedge.geometry.planes import FLAT, ROUNDING
from nwedge.landscape import ELEMENTS_AT_ONCE

MOST = 2 * 2**30
"""Bytes that the values of a grid may take: 2 GiB."""
NEAR = 1e-3
"""The share of the largest coordinate of an axis below which one is taken for 0."""
NUMBER = 8
"""Bytes of a number in float64."""


class Grid:
    """All combinations of the coordinates of each dimension of a chart.

    Args:
        chart: any chart.
        coordinates: for each of its dimensions a tensor, array or list of increasing coordinates.
        numbers: how many numbers are kept for each point, its coordinates apart.

    Attributes:
        axes: the coordinates of each dimension, in the chart's dtype.
        sizes: how many each has.

    Raises:
        ValueError: coordinates of another number of dimensions, not flat, none, not finite or not increasing, or so
            many that their values take more than 2 GiB.
        TypeError: coordinates that are no list, or no numbers.
    """

    def __init__(self, chart: Chart, coordinates: Any, numbers: int) -> None:
        expected = (
            f"coordinates must be a list of {chart.dim}, one for each dimension of the {type(chart).__name__}, "
            "of shape (count,) each"
        )
        if not isinstance(coordinates, Collection):
            raise TypeError(f"{expected}; got {type(coordinates).__name__}")
        if isinstance(coordinates, Tensor) or len(coordinates) != chart.dim:
            came = f"shape {tuple(coordinates.shape)}" if isinstance(coordinates, Tensor) else len(coordinates)
            raise ValueError(f"{expected}; got {came}")
        self.chart = chart
        self.axes = [_axis(chart, number, given) for number, given in enumerate(coordinates)]
        self.sizes = tuple(map(len, self.axes))
        needed = NUMBER * (numbers + chart.dim) * len(self)
        if needed > MOST:
            factor = (MOST / needed) ** (1 / chart.dim)
            fits = " x ".join(str(max(1, math.floor(factor * size))) for size in self.sizes)
            raise ValueError(
                f"a grid of {' x '.join(map(str, self.sizes))} points takes {needed / 2**30:.1f} GiB, over the "
                f"{MOST / 2**30:.0f} GiB that are allowed: take about {fits}, or cut it in parts"
            )

    def __len__(self) -> int:
        """The number of points."""
        return math.prod(self.sizes)

    def coordinates(self) -> Float[Tensor, "point coords"]:
        """The coordinates of every point, the last dimension fastest."""
        return torch.stack(torch.meshgrid(*self.axes, indexing="ij"), -1).view(-1, self.chart.dim)

    def distances(self) -> list[Float64[Tensor, " count"]]:
        """For each dimension |embed(c e) - embed(0)| with the sign of c, e being its axis, shape (count,).

        Raises:
            ValueError: an axis along which all coordinates, and 1, are at one point, as far as rounding tells.
        """
        return [self._lengths(number, axis) * axis.sign().double() for number, axis in enumerate(self.axes)]

    def angles(self) -> list[float]:
        """The angles in degrees between the axes at 0, of the pairs (0, 1), (0, 2), ..., NaN where an axis is a point.

        An axis leads from 0 to the nearest of its other coordinates, or away from that where it is negative: on a chart
        that is not linear, a chord. Coordinates below a thousandth of the largest are taken for 0.

        Raises:
            ValueError: axes that are parallel (the sine of their angle is below 1e-3).
        """
        directions = [self._direction(number, axis) for number, axis in enumerate(self.axes)]
        return [_angle(directions, *pair) for pair in itertools.combinations(range(len(directions)), 2)]

    def _lengths(self, number: int, axis: Tensor) -> Tensor:
        lengths = torch.cat([shift.norm(dim=1) for shift in self._shifts(number, axis)])
        (home,) = self.chart.embed(axis.new_zeros(1, self.chart.dim)).double()
        rounding = ROUNDING * torch.finfo(axis.dtype).eps * home.norm()
        (unit,) = next(self._shifts(number, axis.new_ones(1)))
        if bool((lengths <= rounding).all()) and unit.norm() <= rounding:
            raise ValueError(
                f"dimension {number} of the {type(self.chart).__name__} has norm 0: all of its coordinates are one "
                "point: give a direction of positive norm, or two points that differ"
            )
        return lengths

    def _direction(self, number: int, axis: Tensor) -> Tensor:
        others = axis[axis.abs() > NEAR * axis.abs().max()]
        nearest = others[others.abs().argmin()][None] if len(others) else axis.new_ones(1)
        (shift,) = self._shifts(number, nearest)
        return shift[0] * nearest.sign() / shift[0].norm()

    def _shifts(self, number: int, axis: Tensor) -> Iterator[Tensor]:
        """embed(c e) - embed(0) for coordinates along one axis, in float64, few at a time."""
        unit = torch.eye(self.chart.dim, dtype=axis.dtype, device=axis.device)[number]
        home = self.chart.embed(0 * unit[None]).double()
        parts = axis.split(max(1, ELEMENTS_AT_ONCE // self.chart.ambient))
        return (self.chart.embed(part[:, None] * unit).double() - home for part in parts)


def _angle(directions: Sequence[Tensor], first: int, second: int) -> float:
    angle = torch.acos((directions[first] @ directions[second]).clamp(-1, 1)).item()
    if math.sin(angle) < FLAT:
        raise ValueError(
            f"dimensions {first} and {second} of the chart are parallel, so they span a line and no plane: give two "
            "directions that differ, or cut along one"
        )
    return math.degrees(angle)


def _axis(chart: Chart, number: int, given: Any) -> Tensor:
    name = f"the coordinates of dimension {number}"
    try:
        axis = torch.as_tensor(given).to(chart.device, chart.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers, a tensor, array or list of them; got {given!r:.60}") from error
    if axis.ndim != 1 or not len(axis):
        raise ValueError(f"{name} must have shape (at least 1,); got {tuple(axis.shape)}")
    if not bool(axis.isfinite().all()):
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    if not bool((axis.diff() > 0).all()):
        raise ValueError(f"{name} must increase, each once, in {chart.dtype}: sort them, and leave out equal ones")
    return axis
