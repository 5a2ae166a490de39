"""Charts: what maps coordinates to points (a line, a path, a sheet) or to displacements (a plane, a subspace)."""

from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points
from nwedge._random import uniform
from nwedge.geometry.combination import Terms


@runtime_checkable
class Chart(Protocol):
    """A map from R^dim into weight space, R^ambient.

    `displaces` says what it gives: displacements, to be added to an origin, or points.
    """

    dim: int
    ambient: int
    dtype: torch.dtype
    device: torch.device
    displaces: bool

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points, or the displacements, at the given coordinates."""
        ...

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Coordinates to start from: uniform over a bounded chart, zero for a chart of displacements."""
        ...


Kind = TypeVar("Kind", bound="VertexChart")


@runtime_checkable
class VertexChart(Chart, Protocol):
    """A chart that is linear in its vertices, some of which are free to be trained.

    embed(c) = sum_j w_j V[r_j] with (r, w) = terms(c).
    """

    vertices: Float[Tensor, "vertex ambient"]
    free: tuple[int, ...]

    def terms(self, coords: Float[Tensor, "batch coords"]) -> Terms:
        """The rows of the vertices that count at each coordinate and how much, both (batch, term); weights sum to 1."""
        ...

    def moved(self: Kind, vertices: Float[Tensor, "vertex ambient"]) -> Kind:
        """The same chart with other vertices."""
        ...


class Line:
    """The straight line embed(t) = a + t (b - a) through two points; t is no bounded coordinate.

    Args:
        a: the point at t = 0, shape (dim,).
        b: the point at t = 1, shape (dim,).

    Raises:
        ValueError: points of different shape, dtype or device, or not flat.
    """

    dim = 1
    displaces = False

    def __init__(self, a: Tensor, b: Tensor) -> None:
        check_same_space({"a": a, "b": b})
        self.a, self.b = a, b
        self.ambient, self.dtype, self.device = len(a), a.dtype, a.device

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points a + t (b - a), shape (batch, ambient)."""
        check_points(self, coords, "coords")
        return self.a + coords * (self.b - self.a)

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count 1"]:
        """Uniform positions between the two points."""
        return uniform((count, 1), generator, dtype=self.dtype, device=self.device)


class Plane:
    """The displacements embed(c) = c0 u + c1 v, neither normalised nor orthogonalised.

    Args:
        u: the first axis, shape (dim,).
        v: the second axis, shape (dim,).

    Raises:
        ValueError: axes of different shape, dtype or device, not flat, or of zero norm.
    """

    dim = 2
    displaces = True

    def __init__(self, u: Tensor, v: Tensor) -> None:
        check_same_space({"u": u, "v": v})
        for name, axis in (("u", u), ("v", v)):
            if not axis.any():
                raise ValueError(f"the axis {name} of a plane must not be zero: give a direction of positive norm")
        self.axes = torch.stack([u, v])
        self.ambient, self.dtype, self.device = len(u), u.dtype, u.device

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The displacements c0 u + c1 v, shape (batch, ambient)."""
        check_points(self, coords, "coords")
        return coords @ self.axes

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count 2"]:
        """Zeros: a plane is entered at its origin."""
        return torch.zeros(count, self.dim, dtype=self.dtype, device=self.device)


def check_same_space(points: dict[str, Tensor]) -> None:
    """Refuse flat points whose shape, dtype or device differ (ValueError)."""
    (first, one), *others = points.items()
    if one.ndim != 1:
        raise ValueError(f"{first} must be a flat vector of shape (dim,); got {tuple(one.shape)}")
    for name, other in others:
        for what in ("shape", "dtype", "device"):
            left, right = getattr(one, what), getattr(other, what)
            if left != right:
                raise ValueError(f"{first} and {name} must have the same {what}; got {left} and {right}")
