"""Paths between two points that bend at vertices: polygonal chains and Bezier curves."""

import math
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer
from nwedge._random import uniform
from nwedge.geometry.combination import OfVertices, Terms

Kind = TypeVar("Kind", bound="_Curve")


class _Curve(OfVertices):
    """What the curves share: a first and a last vertex that are fixed, free ones between, and t in [0, 1]."""

    dim = 1
    displaces = False

    def __init__(self, vertices: Float[Tensor, "vertex ambient"]) -> None:
        if vertices.ndim != 2 or len(vertices) < 2:
            raise ValueError(f"vertices must have shape (at least 2, dim); got {tuple(vertices.shape)}")
        self.vertices = vertices
        self.free = tuple(range(1, len(vertices) - 1))
        self.ambient, self.dtype, self.device = vertices.shape[1], vertices.dtype, vertices.device

    @classmethod
    def straight(cls: type[Kind], a: Float[Tensor, " ambient"], b: Float[Tensor, " ambient"], bends: int) -> Kind:
        """The straight line from a to b with `bends` free vertices evenly spaced on it."""
        check_integer("bends", bends, 0)
        t = torch.linspace(0, 1, bends + 2, dtype=a.dtype, device=a.device)[:, None]
        return cls((1 - t) * a + t * b)

    def moved(self: Kind, vertices: Float[Tensor, "vertex ambient"]) -> Kind:
        """The same kind of curve with other vertices."""
        return type(self)(vertices)

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count 1"]:
        """Uniform positions in [0, 1]."""
        return uniform((count, 1), generator, dtype=self.dtype, device=self.device)

    def length(self, pieces: int = 840) -> float:
        """The Euclidean length of the polygon through `pieces` + 1 even positions; 840 meet most bends exactly."""
        t = torch.linspace(0, 1, pieces + 1, dtype=self.dtype, device=self.device)[:, None]
        steps = self.weights(t).diff(dim=0)
        relative = self.vertices - self.vertices[0]  # rows of `steps` sum to 0, so the shift changes nothing
        squares = (steps @ (relative @ relative.T) * steps).sum(1)
        return squares.clamp(min=0).sqrt().sum().item()


class Path(_Curve):
    """The polygonal chain through vertices, each segment taking an equal share of t in [0, 1].

    embed(t) = sum_j max(0, 1 - |t (K - 1) - j|) V_j for K vertices; t outside [0, 1] is clamped.

    Args:
        vertices: shape (at least 2, ambient); the first and the last are fixed, the others free.

    Raises:
        ValueError: fewer than 2 vertices.
    """

    def terms(self, coords: Float[Tensor, "batch coords"]) -> Terms:
        """The ends of the segment that a position lies on."""
        segments = len(self.vertices) - 1
        place = coords.clamp(0, 1) * segments
        first = place.detach().floor().clamp(max=segments - 1)
        rows = first.nan_to_num().long()  # a NaN stays one, in the weights
        return torch.cat([rows, rows + 1], dim=1), torch.cat([1 - (place - first), place - first], dim=1)


class Bezier(_Curve):
    """The Bezier curve of degree n = K - 1 with K control points, as in Garipov et al. 2018 (arXiv 1802.10026).

    embed(t) = sum_j C(n, j) (1 - t)^(n - j) t^j V_j.

    Args:
        vertices: the control points, shape (at least 2, ambient); the first and the last are fixed, the others free.

    Raises:
        ValueError: fewer than 2 vertices.
    """

    def terms(self, coords: Float[Tensor, "batch coords"]) -> Terms:
        """Every control point, with the Bernstein polynomials."""
        degree = len(self.vertices) - 1
        powers = [math.comb(degree, j) * (1 - coords) ** (degree - j) * coords**j for j in range(degree + 1)]
        return torch.arange(degree + 1, device=self.device).repeat(len(coords), 1), torch.cat(powers, dim=1)
